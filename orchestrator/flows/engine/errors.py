"""What the engine refuses, with a stable code and a cure."""

from orchestrator.core.errors import FixedBy, OrchestratorError


class EngineError(OrchestratorError):
    """The engine cannot do this to the flow in its present state."""

    code = "engine:refused"
    cure = ""
    fixed_by = FixedBy.REQUESTER
    http_status = 409


class IdempotencyConflict(EngineError):
    """The idempotency key was used before with another request."""

    code = "flow:idempotency-conflict"
    cure = "Use a new Idempotency-Key for a new request; the same key only ever gives the same flow."


class NotRetryable(EngineError):
    """Only a flow that failed, was cancelled or waits for a provider can be retried."""

    code = "flow:not-failed"
    cure = "Wait for the flow to end, or create a new flow."


class NotEditable(EngineError):
    """Only a flow that ended without a block, and had files, takes files of a person."""

    code = "flow:not-editable"
    cure = "Fetch the candidate of a failed flow with `blocks flow fetch TASK --candidate`, and edit that."


class FlowHalted(EngineError):
    """A rollback keeps the repo of the flow switched off."""

    code = "flow:halted"
    cure = "Wait until the repo is enabled again: `blocks rollback status` shows who has to agree."
    fixed_by = FixedBy.OPERATOR


class RepoDisabled(EngineError):
    """The repo is not enabled for the orchestrator."""

    code = "repo:disabled"
    cure = (
        "Ask the operators: the repo is switched off, or REPO_ALLOWLIST does not name it. "
        "Review by hand meanwhile."
    )
    fixed_by = FixedBy.OPERATOR
    http_status = 403


class NotPausable(EngineError):
    """The flow has ended, so it can neither be paused nor resumed."""

    code = "flow:ended"
    cure = "Nothing is left to pause or resume."


class Fenced(EngineError):
    """The attempt is not the live one: its lease ran out, or the flow ended. No write of it counts."""

    code = "engine:fenced"
    cure = "Stop: the worker that holds the stage now continues with it."
