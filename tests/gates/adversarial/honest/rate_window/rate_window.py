"""A limiter that is made with its size: a class with constructor arguments."""


class Window:
    """Allows ``size`` events in any ``seconds``."""

    def __init__(self, size: int, seconds: int) -> None:
        if size < 1 or seconds < 1:
            raise ValueError("size and seconds must be positive")
        self.size, self.seconds = size, seconds
        self._times: list[int] = []

    def allow(self, now: int) -> bool:
        """Whether an event at ``now`` (seconds) fits; one that does not is not counted."""
        self._times = [at for at in self._times if now - at < self.seconds]
        if len(self._times) >= self.size:
            return False
        self._times.append(now)
        return True
