"""Feature flags with percentage roll-outs."""

import hashlib
import json
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Flag:
    name: str
    enabled: bool = False
    percentage: int = 100
    allowed: frozenset[str] = field(default_factory=frozenset)

    def is_on_for(self, user: str) -> bool:
        """Whether ``user`` has the feature: listed, or inside the percentage."""
        if not self.enabled:
            return False
        if user in self.allowed:
            return True
        return _bucket(self.name, user) < self.percentage


def _bucket(name: str, user: str) -> int:
    digest = hashlib.sha256(f"{name}:{user}".encode()).digest()
    return int.from_bytes(digest[:4], "big") % 100


def evaluate(document: str, user: str) -> dict[str, bool]:
    """The flags of a JSON document for one user."""
    try:
        entries = json.loads(document)
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error.msg}") from error
    if not isinstance(entries, list):
        raise ValueError("not a list of flags")
    flags = [
        Flag(
            str(entry["name"]),
            bool(entry.get("enabled")),
            int(entry.get("percentage", 100)),
            frozenset(entry.get("allowed", ())),
        )
        for entry in entries
    ]
    return {flag.name: flag.is_on_for(user) for flag in flags}
