"""What can be wrong with a question to the pre-flight, or with an answer."""

from orchestrator.core.errors import FixedBy, OrchestratorError


class UnknownLine(OrchestratorError):
    """The checklists of this phase have no such line."""

    code = "preflight:unknown-line"
    cure = "`GET /api/v1/preflight/` names the lines of each phase."
    fixed_by = FixedBy.REQUESTER
    http_status = 404


class LineAnswersItself(OrchestratorError):
    """The system answers this line itself, so nobody can answer it otherwise."""

    code = "preflight:answers-itself"
    cure = "Do what the line says, then look again."
    fixed_by = FixedBy.OPERATOR
    # In conflict with what the system sees, not malformed.
    http_status = 409
