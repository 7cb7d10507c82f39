"""Why evidence cannot be made, kept or found again."""

from orchestrator.core.errors import FixedBy, OrchestratorError


class EvidenceError(OrchestratorError):
    """Evidence cannot be made, stored or read.

    ``retryable``: the same may succeed a little later.
    """

    code = "evidence:error"
    fixed_by = FixedBy.OPERATOR

    def __init__(self, code: str, message: str, cure: str, *, retryable: bool = False) -> None:
        super().__init__(message, code=code, cure=cure, retryable=retryable)
