"""What the engine of onboarding refuses."""

from orchestrator.core.errors import FixedBy, OrchestratorError


class AlreadyRequested(OrchestratorError):
    """The repo has been asked for already."""

    code = "onboarding:already-requested"
    cure = "Look at that request: retry it where it has failed, or cancel it and ask again."
    fixed_by = FixedBy.REQUESTER
    http_status = 409


class KeyUsedAgain(OrchestratorError):
    """The Idempotency-Key came before with another body."""

    code = "onboarding:key-used-again"
    cure = "Use a new Idempotency-Key for a new request; the same key only ever gives the same request."
    fixed_by = FixedBy.REQUESTER
    http_status = 409


class AlreadyEnabled(OrchestratorError):
    """The repo is enabled already."""

    code = "onboarding:already-enabled"
    cure = "Run `blocks init` in it."
    fixed_by = FixedBy.REQUESTER
    http_status = 409


class AlreadyDecided(OrchestratorError):
    """Somebody else has decided on this request already."""

    code = "onboarding:already-decided"
    cure = "Nothing is left to do."
    fixed_by = FixedBy.REQUESTER
    http_status = 409


class NotInThatState(OrchestratorError):
    """This cannot be done with the request as it is now."""

    code = "onboarding:not-in-that-state"
    cure = "Look at its page: it shows what can be done."
    fixed_by = FixedBy.REQUESTER
    http_status = 409
