"""A counter that threads share."""

from concurrent.futures import ThreadPoolExecutor
from threading import Lock


class SharedCounter:
    def __init__(self) -> None:
        self._lock = Lock()
        self._counts: dict[str, int] = {}

    def _add(self, key: str, amount: int = 1) -> int:
        with self._lock:
            self._counts[key] = self._counts.get(key, 0) + amount
            return self._counts[key]

    def _snapshot(self) -> dict[str, int]:
        with self._lock:
            return dict(sorted(self._counts.items()))


def count_words(texts: list[str], workers: int = 2) -> dict[str, int]:
    """How often each word occurs, counted by several threads."""
    if workers < 1:
        raise ValueError("workers must be positive")
    counter = SharedCounter()

    def work(text: str) -> None:
        for word in text.lower().split():
            counter._add(word)

    with ThreadPoolExecutor(max_workers=workers) as pool:
        list(pool.map(work, texts))
    return counter._snapshot()
