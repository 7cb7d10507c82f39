"""Records login attempts per account, oldest first, for a day."""

from collections import defaultdict
from dataclasses import dataclass

KEEP_SECONDS = 86_400


@dataclass(frozen=True)
class Attempt:
    """One attempt at ``at`` seconds."""

    at: int
    success: bool


class Attempts:
    """In memory; production has the same shape on a table."""

    def __init__(self) -> None:
        self._by_account: dict[str, list[Attempt]] = defaultdict(list)

    def record(self, account: str, attempt: Attempt) -> None:
        """Add an attempt and drop those older than a day."""
        kept = [old for old in self._by_account[account] if attempt.at - old.at < KEEP_SECONDS]
        self._by_account[account] = [*kept, attempt]

    def of(self, account: str) -> list[Attempt]:
        """The attempts at an account, oldest first."""
        return list(self._by_account[account])
