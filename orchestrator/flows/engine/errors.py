"""What the engine refuses, with a stable code and a cure."""

from typing import ClassVar


class EngineError(Exception):
    """A verb that cannot be done as asked."""

    code: ClassVar[str] = "engine:refused"
    cure: ClassVar[str] = ""


class IdempotencyConflict(EngineError):
    """The idempotency key was used before with another request."""

    code = "flow:idempotency-conflict"
    cure = "Use a new Idempotency-Key for a new request; the same key only ever gives the same flow."


class NotRetryable(EngineError):
    """Only a failed flow can be retried."""

    code = "flow:not-failed"
    cure = "Wait for the flow to end, or create a new flow."


class NotPausable(EngineError):
    """The flow has ended, so it can neither be paused nor resumed."""

    code = "flow:ended"
    cure = "Nothing is left to pause or resume."


class Fenced(EngineError):
    """The attempt is no longer the live one: its lease ran out, or the flow was cancelled. Nothing it does counts."""

    code = "engine:fenced"
    cure = "Stop; whoever holds the stage now goes on with it."
