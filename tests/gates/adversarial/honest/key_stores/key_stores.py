"""Two stores with one interface."""


class ListStore:
    """Keeps what was put in order."""

    def __init__(self) -> None:
        self._items: list[tuple[str, int]] = []

    def put(self, key: str, value: int) -> int:
        """Store a value; how many keys there are."""
        self._items = [item for item in self._items if item[0] != key] + [(key, value)]
        return len(self._items)

    def get(self, key: str, default: int = -1) -> int:
        """The newest value of a key."""
        return next((value for name, value in self._items if name == key), default)


class DictStore:
    """Keeps what was put by key."""

    def __init__(self) -> None:
        self._items: dict[str, int] = {}

    def put(self, key: str, value: int) -> int:
        """Store a value; how many keys there are."""
        self._items[key] = value
        return len(self._items)

    def get(self, key: str, default: int = -1) -> int:
        """The newest value of a key."""
        return self._items.get(key, default)
