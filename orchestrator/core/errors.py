"""The one base of the errors that people read: what happened, who can fix it, how, and whether waiting helps.

A subclass is one kind of error. It sets ``code`` (stable: scripts and tests rely on it) and, where they are
the same for every instance, ``cure``, ``fixed_by`` and ``retryable``. An instance may override them, because
a cure often names a value. ``orchestrator.rest.problems`` turns such an error into an answer, so a view
raises it and translates nothing.
"""

from enum import StrEnum


class FixedBy(StrEnum):
    """Who can make the error go away."""

    REQUESTER = "requester"
    REPO_OWNER = "repo-owner"
    OPERATOR = "operator"
    PROVIDER = "provider"
    US = "us"


class OrchestratorError(Exception):
    """An error with a stable ``code``, a message for people, and a ``cure`` for the one who can fix it.

    ``retryable`` says that the same call may succeed a little later although nobody did anything.
    ``http_status`` is what REST answers; where it is ``None``, the status follows from ``fixed_by``.
    ``retry_after_seconds`` goes with it, where it is known when to ask again.
    """

    code: str = "internal:error"
    cure: str = "Try again; if it happens again, tell the operators the request id and the time."
    fixed_by: FixedBy = FixedBy.US
    retryable: bool = False
    http_status: int | None = None
    retry_after_seconds: float | None = None

    def __init__(
        self,
        message: str = "",
        *,
        code: str | None = None,
        cure: str | None = None,
        fixed_by: FixedBy | None = None,
        retryable: bool | None = None,
    ) -> None:
        # Without a message an error says what its class means. So the docstring, too, is written for people.
        self.message = message or _first_sentence(type(self))
        super().__init__(self.message)
        if code is not None:
            self.code = code
        if cure is not None:
            self.cure = cure
        if fixed_by is not None:
            self.fixed_by = fixed_by
        if retryable is not None:
            self.retryable = retryable


def _first_sentence(kind: type[OrchestratorError]) -> str:
    text = " ".join((kind.__doc__ or kind.__name__).split())
    end = text.find(". ")
    return text if end < 0 else text[: end + 1]
