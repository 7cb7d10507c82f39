"""How much each of many holds, where one of them may hold only a part."""

from collections import Counter


class Shares:
    """Counts by name; what holds nothing is forgotten, because names come from outside.

    It has no lock: code that changes it from several threads brings one.
    """

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def __getitem__(self, name: str) -> int:
        return self._counts[name]

    def add(self, name: str, count: int = 1) -> None:
        """Let ``name`` hold ``count`` more, or fewer."""
        self._counts[name] += count
        if not self._counts[name]:
            del self._counts[name]

    def total(self) -> int:
        """How much all of them hold."""
        return self._counts.total()
