"""Tells listeners of a value when it changes."""

from collections.abc import Callable


class Watched:
    """A value with listeners."""

    def __init__(self) -> None:
        self._value = 0
        self._listeners: list[Callable[[int], None]] = []

    def listen(self, listener: Callable[[int], None]) -> Callable[[], None]:
        """Returns a function that ends it."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def change(self, value: int) -> int:
        """How many listeners were told."""
        if value == self._value:
            return 0
        self._value = value
        for listener in list(self._listeners):
            listener(value)
        return len(self._listeners)
