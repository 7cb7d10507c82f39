"""Why an answer could not be used, for the model and for people."""

from orchestrator.core.errors import FixedBy, OrchestratorError


class AnswerUnreadable(OrchestratorError):
    """An answer that is not what was asked for.

    ``code`` is stable (``answer:...``). ``repair`` is one sentence that tells the model what to do
    differently; ``cure`` tells a person.
    """

    cure = (
        "Retry the flow; if the same model answers like this again, choose another one for this stage with "
        "`blocks config set`."
    )
    fixed_by = FixedBy.REPO_OWNER

    def __init__(self, code: str, message: str, repair: str) -> None:
        super().__init__(message, code=code)
        self.repair = repair


class RequestContradicted(OrchestratorError):
    """The feature request contradicts itself, as the model says; the message is the model's reason."""

    code = "spec:contradiction"
    cure = "Fix the feature request where it contradicts itself, and start a new flow."
    fixed_by = FixedBy.REPO_OWNER
