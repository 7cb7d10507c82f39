"""Retry with exponential backoff."""

import functools
import logging
from collections.abc import Callable
from typing import ParamSpec, TypeVar

logger = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R")


class RetryError(RuntimeError):
    """All attempts failed."""


def _retry(
    attempts: int,
    base_delay: float,
    sleep: Callable[[float], None],
    retry_on: tuple[type[Exception], ...] = (ConnectionError,),
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Decorator: call again after ``retry_on``, waiting twice as long each time."""

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(function)
        def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
            for attempt in range(attempts):
                try:
                    return function(*args, **kwargs)
                except retry_on as error:
                    logger.warning("attempt %d failed: %s", attempt + 1, error)
                    if attempt + 1 < attempts:
                        sleep(base_delay * 2**attempt)
            raise RetryError(f"gave up after {attempts} attempts")

        return wrapper

    return decorate


def run_plan(failures: int, attempts: int, base_delay: int) -> dict[str, object]:
    """What happens to a call that fails ``failures`` times: the waits, and the result or ``None``."""
    waits: list[float] = []
    left = failures

    @_retry(attempts, base_delay, waits.append)
    def call() -> str:
        nonlocal left
        if left > 0:
            left -= 1
            raise ConnectionError("refused")
        return "done"

    try:
        result: str | None = call()
    except RetryError:
        result = None
    return {"waits": waits, "result": result}
