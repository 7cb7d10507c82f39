"""A token bucket."""

from collections.abc import Callable


class TokenBucket:
    """Allows ``rate`` requests a second on average and bursts of ``capacity``."""

    def __init__(self, rate: float, capacity: int, clock: Callable[[], float]) -> None:
        if rate <= 0 or capacity < 1:
            raise ValueError("rate and capacity must be positive")
        self._rate = rate
        self._capacity = capacity
        self._clock = clock
        self._tokens = float(capacity)
        self._updated = clock()

    def _refill(self) -> None:
        now = self._clock()
        self._tokens = min(self._capacity, self._tokens + (now - self._updated) * self._rate)
        self._updated = now

    def allow(self, cost: int = 1) -> bool:
        """Take ``cost`` tokens if there are as many."""
        self._refill()
        if cost > self._tokens:
            return False
        self._tokens -= cost
        return True

    def wait_time(self, cost: int) -> float:
        """Seconds until ``cost`` tokens are there; 0 where they are."""
        self._refill()
        return max(0.0, (cost - self._tokens) / self._rate)
