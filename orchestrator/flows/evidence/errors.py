"""Why evidence cannot be made, kept or found again, one class a kind; and what is wrong with a store's
set-up.
"""

from dataclasses import dataclass

from orchestrator.core.errors import FixedBy, OrchestratorError

_MAKE_KEY = (
    "Make one with `openssl genpkey -algorithm ed25519` and set EVIDENCE_SIGNING_KEY "
    "or EVIDENCE_SIGNING_KEY_FILE."
)


@dataclass(frozen=True, slots=True)
class SetupProblem:
    """``serious``: evidence would not be safe, so nothing is sealed. ``id`` is stable: ``evidence.E001``."""

    id: str
    message: str
    cure: str
    serious: bool


class EvidenceError(OrchestratorError):
    """Evidence cannot be made, stored or read."""

    code = "evidence:error"
    fixed_by = FixedBy.OPERATOR


class SigningKeyMissing(EvidenceError):
    """There is no signing key."""

    code = "evidence:no-signing-key"
    cure = _MAKE_KEY


class SigningKeyInvalid(EvidenceError):
    """The signing key cannot be used."""

    code = "evidence:bad-signing-key"
    cure = _MAKE_KEY


class StoreUnavailable(EvidenceError):
    """The evidence store cannot be used now."""

    code = "evidence:store-unavailable"
    retryable = True


class StoreUnfit(EvidenceError):
    """The evidence store would not keep evidence safe."""

    code = "evidence:store-unfit"


class EvidenceConflict(EvidenceError):
    """Other bytes are already stored under the key of new evidence."""

    code = "evidence:conflict"
    cure = "Somebody has written there: run `manage.py audit_evidence`, and treat it as an incident."

    def __init__(self, key: str) -> None:
        super().__init__(f"Other bytes are already stored under {key} in the evidence store.")
