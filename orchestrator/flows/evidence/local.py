"""Evidence in a folder: written once, read-only, whole or not at all. For one machine; nothing there holds off its owner."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from orchestrator.flows.evidence.errors import EvidenceError
from orchestrator.flows.evidence.keys import place_once
from orchestrator.flows.evidence.problems import Problem


@dataclass(frozen=True, slots=True)
class Folder:
    """A store under ``root``."""

    root: Path

    def put(self, key: str, content: bytes, retain_until: datetime) -> None:  # noqa: ARG002 - a folder cannot promise time
        """Keep ``content`` under ``key``."""
        path = self.root / key
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if not place_once(path, content, mode=0o444) and path.read_bytes() != content:
                raise conflict(key)
        except OSError as error:
            raise EvidenceError(
                "evidence:store-unavailable",
                f"The evidence folder cannot be written: {error.strerror}.",
                f"See to the space and the permissions of {self.root}, then retry.",
                retryable=True,
            ) from error

    def get(self, key: str) -> bytes | None:
        """What lies under ``key``."""
        path = self.root / key
        return path.read_bytes() if path.is_file() else None

    def problems(self) -> tuple[Problem, ...]:
        """None: a folder has no set-up."""
        return ()


def conflict(key: str) -> EvidenceError:
    """Something else lies where evidence should go."""
    return EvidenceError(
        "evidence:conflict",
        f"Other bytes lie under {key} in the evidence store already.",
        "Somebody has written there: run `manage.py audit_evidence`, and treat it as an incident.",
    )
