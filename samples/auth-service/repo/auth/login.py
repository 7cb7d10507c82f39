"""Checks credentials. It slows down, but it never locks."""

from collections.abc import Callable

from auth.attempts import Attempt, Attempts


def log_in(account: str, check: Callable[[], bool], attempts: Attempts, now: int) -> bool:
    """Run ``check`` and record how it ended."""
    success = check()
    attempts.record(account, Attempt(now, success))
    return success
