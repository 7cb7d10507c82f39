"""How operations are refused: what OpenAPI says about errors, beside the code that raises them."""

from dataclasses import dataclass

from orchestrator.core.errors import OrchestratorError
from orchestrator.rest.problems import read_status


@dataclass(frozen=True, slots=True)
class ProblemKind:
    """One way in which an operation is refused: its status, its stable code, and what it means."""

    status: int
    code: str
    meaning: str


def refusal_by(kind: type[OrchestratorError]) -> ProblemKind:
    """The refusal that an error of the class ``kind`` amounts to."""
    error = kind("")
    return ProblemKind(read_status(error), error.code, error.message)


UNKNOWN_PARAMETER = ProblemKind(400, "request:unknown-parameter", "A parameter of the query is not known.")
EXPIRED_TOKEN = ProblemKind(401, "auth:expired-token", "The token has expired.")
INVALID_PARAMETER = ProblemKind(400, "request:invalid-filter", "A parameter of the query has a wrong value.")
INVALID_CURSOR = ProblemKind(400, "request:invalid-cursor", "The cursor is not from an answer of this API.")
MALFORMED = ProblemKind(400, "request:malformed", "The body is not a JSON object.")
NOT_UTF8 = ProblemKind(400, "request:not-utf8", "The body is not UTF-8, or holds what no text can hold.")
MISSING_TOKEN = ProblemKind(401, "auth:missing-token", "No token was sent.")
UNKNOWN_TOKEN = ProblemKind(401, "auth:unknown-token", "The token is unknown or was revoked.")
NOTHING_HERE = ProblemKind(404, "request:not-found", "There is nothing under this address.")
NOT_ACCEPTABLE = ProblemKind(406, "request:not-acceptable", "The answer is not offered in that format.")
TOO_LARGE = ProblemKind(413, "request:body-too-large", "The body is over 12 MB.")
NOT_JSON = ProblemKind(415, "request:unsupported-media-type", "The body is not application/json.")
INVALID = ProblemKind(422, "request:invalid", "Fields are missing or wrong; `errors` names them all.")
UNKNOWN_FIELD = ProblemKind(422, "request:unknown-field", "The body has a field that is not known.")
THROTTLED = ProblemKind(429, "request:throttled", "Too many requests; `Retry-After` says when to ask again.")
INTERNAL = ProblemKind(500, OrchestratorError.code, "The service failed; nothing was left half-done.")
DATABASE_AWAY = ProblemKind(503, "service:database-away", "The database cannot be reached at present.")
BUSY = ProblemKind(503, "service:busy", "The service has more requests than it can answer soon.")

EVERYWHERE = (UNKNOWN_PARAMETER, THROTTLED, INTERNAL, DATABASE_AWAY, BUSY)
WITH_TOKEN = (MISSING_TOKEN, UNKNOWN_TOKEN, EXPIRED_TOKEN)
WITH_BODY = (MALFORMED, NOT_UTF8, TOO_LARGE, NOT_JSON)
