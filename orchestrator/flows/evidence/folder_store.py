"""Evidence in a folder: written once, read-only, whole or not at all. For one machine: its owner can
still delete it.
"""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from django.conf import settings

from orchestrator.flows.evidence.errors import EvidenceConflict, SetupProblem, StoreUnavailable
from orchestrator.flows.evidence.keys import place_once

_READ_ONLY = 0o444


@dataclass(frozen=True, slots=True)
class Folder:
    """A store under ``root``."""

    root: Path

    def put(self, key: str, content: bytes, retain_until: datetime) -> None:  # noqa: ARG002 - see below
        """Keep ``content`` under ``key``; raises ``EvidenceConflict`` and ``StoreUnavailable``."""
        # ``retain_until`` is ignored: a folder cannot promise time.
        path = self.root / key
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            placed = place_once(path, content, mode=_READ_ONLY)
            # A seal that is run again writes the same bytes again.
            if not placed and path.read_bytes() != content:
                raise EvidenceConflict(key)
        except OSError as error:
            raise StoreUnavailable(
                f"The evidence folder cannot be written: {error.strerror}.",
                cure=f"Check the free space and the permissions of {self.root}, then retry.",
            ) from error

    def get(self, key: str) -> bytes | None:
        """What is stored under ``key``; ``None`` where nothing is."""
        path = self.root / key
        return path.read_bytes() if path.is_file() else None

    def list_problems(self) -> tuple[SetupProblem, ...]:
        """None: a folder needs no set-up."""
        return ()


def open_configured() -> Folder:
    """The folder below ``STATE_DIR``."""
    return Folder(Path(settings.STATE_DIR) / "evidence")
