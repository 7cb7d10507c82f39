"""Evidence in a folder: written once, read-only, whole or not at all. For one machine: its owner can
still delete it.
"""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from django.conf import settings

from orchestrator.flows.evidence.errors import EvidenceError
from orchestrator.flows.evidence.keys import place_once
from orchestrator.flows.evidence.problems import SetupProblem


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
                raise report_conflict(key)
        except OSError as error:
            raise EvidenceError(
                "evidence:store-unavailable",
                f"The evidence folder cannot be written: {error.strerror}.",
                f"Check the free space and the permissions of {self.root}, then retry.",
                retryable=True,
            ) from error

    def get(self, key: str) -> bytes | None:
        """What is stored under ``key``; ``None`` where nothing is."""
        path = self.root / key
        return path.read_bytes() if path.is_file() else None

    def list_problems(self) -> tuple[SetupProblem, ...]:
        """None: a folder has no set-up."""
        return ()


def report_conflict(key: str) -> EvidenceError:
    """Other bytes are stored under the key of new evidence."""
    return EvidenceError(
        "evidence:conflict",
        f"Other bytes are already stored under {key} in the evidence store.",
        "Somebody has written there: run `manage.py audit_evidence`, and treat it as an incident.",
    )


def open_configured() -> Folder:
    """The folder below ``STATE_DIR``."""
    return Folder(Path(settings.STATE_DIR) / "evidence")
