"""State per client with compare-and-set. This one is for tests; production uses the shared cache."""


class MemoryStore:
    """Keeps integers under keys."""

    def __init__(self) -> None:
        self._values: dict[str, int] = {}

    def get(self, key: str) -> int:
        """The value, 0 for a client never seen."""
        return self._values.get(key, 0)

    def swap(self, key: str, old: int, new: int) -> bool:
        """Write ``new`` if the value is still ``old``; says whether it did."""
        if self.get(key) != old:
            return False
        self._values[key] = new
        return True
