"""How operations on flows are refused."""

from typing import Final

from orchestrator.flows.engine.errors import (
    FlowHalted,
    IdempotencyConflict,
    NotEditable,
    NotPausable,
    NotRetryable,
    RepoDisabled,
)
from orchestrator.flows.generation.edited_files import EditRefused
from orchestrator.repos.api.refusals import UNKNOWN_MODEL
from orchestrator.rest.refusals import ProblemKind, refusal_by

UNKNOWN_FLOW: Final = ProblemKind(404, "flow:not-found", "There is no such flow within your reach.")
ENDED: Final = ProblemKind(409, NotPausable.code, "The flow has ended.")
NOT_RETRYABLE: Final = refusal_by(NotRetryable)
BLOCK_TO_COME: Final = ProblemKind(409, "flow:no-block", "The flow has no block yet.")
NO_BLOCK: Final = ProblemKind(404, "flow:no-block", "The flow ended without a block.")
NO_REPLAY: Final = ProblemKind(404, "flow:no-replay", "The flow was never replayed.")
NO_GATE_REPLAY: Final = ProblemKind(404, "replay:none", "The gates of the flow were not run again.")
NOT_REPLAYABLE: Final = ProblemKind(409, "flow:not-replayable", "The flow has neither passed nor failed.")
INVALID_EVENT_ID: Final = ProblemKind(400, "request:invalid-event-id", "This is not the id of an event.")
TOO_MANY_FOLLOWERS: Final = ProblemKind(
    429, "events:too-many-followers", "The token follows as many flows as it may."
)
NO_ROOM: Final = ProblemKind(503, "events:no-room", "The process has as many followers as it takes.")
FOLLOWING: Final = (INVALID_EVENT_ID, TOO_MANY_FOLLOWERS, NO_ROOM)
TOO_MANY_OPEN: Final = ProblemKind(
    429, "repo:too-many-open-flows", "The repo has as many open flows as it may have."
)
HALTED: Final = refusal_by(FlowHalted)
EDITING: Final = (refusal_by(NotEditable), refusal_by(EditRefused), TOO_MANY_OPEN, HALTED)
CREATION: Final = (
    ProblemKind(400, "idempotency:invalid-key", "Idempotency-Key is not 1 to 255 visible ASCII characters."),
    refusal_by(RepoDisabled),
    ProblemKind(403, "repo:paused", "An operator has paused the repo."),
    refusal_by(IdempotencyConflict),
    ProblemKind(413, "flow:request-too-large", "The feature request is over 64 KB."),
    ProblemKind(413, "context:too-large", "The context is over 6 MB, or has too many files."),
    ProblemKind(413, "repo:storage-full", "The repo keeps as much as it may keep."),
    ProblemKind(422, "flow:empty-request", "The feature request is empty."),
    ProblemKind(422, "flow:unknown-type", "There is no such flow type."),
    ProblemKind(422, "flow:invalid-family", "This cannot name a block family."),
    ProblemKind(422, "context:invalid", "The context is not an object with files, or a file is not one."),
    ProblemKind(422, "context:invalid-path", "A path of the context leaves the repo."),
    UNKNOWN_MODEL,
    ProblemKind(429, "repo:too-many-flows", "The repo has started as many flows as it may in a minute."),
    TOO_MANY_OPEN,
    ProblemKind(503, "provider:missing-key", "An operator has to set the key of a provider."),
)
