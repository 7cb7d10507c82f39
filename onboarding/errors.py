"""What the rollout and its lists refuse."""

from orchestrator.core.errors import FixedBy, OrchestratorError
from orchestrator.ops.training.errors import BadLine


class PortalClosed(OrchestratorError):
    """The portal takes no requests at present."""

    code = "onboarding:closed"
    cure = "Ask again later: the status page says how things are. Repos that are enabled work on."
    fixed_by = FixedBy.OPERATOR
    http_status = 503


class NothingToVoteOn(OrchestratorError):
    """There is nothing to say GO or NO to."""

    code = "onboarding:nothing-to-vote-on"
    cure = "Look at the rollout first: `GET /api/v1/onboarding/rollout/`."
    fixed_by = FixedBy.REQUESTER
    http_status = 409


class BatchRefused(OrchestratorError):
    """The list has lines that cannot be taken; none of it was written."""

    code = "onboarding:bad-batch"
    cure = "Correct the lines, then send the whole list again."
    fixed_by = FixedBy.REQUESTER
    http_status = 422

    def __init__(self, message: str = "", bad_lines: tuple[BadLine, ...] = ()) -> None:
        super().__init__(message)
        self.bad_lines = bad_lines


class UnknownOnboardingRequest(OrchestratorError):
    """There is no such request within your reach."""

    code = "onboarding:unknown"
    cure = "Look at the reference again: it is in the mails about the request, as ONB-7K3QF."
    fixed_by = FixedBy.REQUESTER
    http_status = 404
