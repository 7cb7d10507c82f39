"""Login lockout: from the attempts at one account to whether it is locked, and until when.

Guidance: NIST SP 800-63B, 5.2.2 (rate limiting of failed attempts). A state machine without a clock: times are whole
seconds since an epoch of the caller's choice. An attempt during a lockout is turned away unheard: it neither counts nor
succeeds, so that an attacker learns nothing and cannot prolong the lockout of somebody else.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

MAX_SECONDS = 86_400
MAX_DOUBLINGS = 16


@dataclass(frozen=True)
class Policy:
    """``max_failures`` within ``window`` seconds lock for ``lock`` seconds, doubled each time, at most ``longest``."""

    max_failures: int
    window: int
    lock: int
    longest: int

    def __post_init__(self) -> None:
        if not 1 <= self.max_failures <= 100:
            raise ValueError("max_failures: must be 1 to 100")
        for name, seconds in (("window", self.window), ("lock", self.lock), ("longest", self.longest)):
            if not 1 <= seconds <= MAX_SECONDS:
                raise ValueError(f"{name}: must be 1 to {MAX_SECONDS} seconds")
        if self.longest < self.lock:
            raise ValueError("longest: must not be below lock")

    def seconds(self, lockouts: int) -> int:
        """Length of the ``lockouts``-th lockout in a row."""
        return min(self.lock << min(lockouts - 1, MAX_DOUBLINGS), self.longest)


@dataclass(frozen=True)
class Lockout:
    """The account at ``now``.

    ``failures`` still count, ``remaining`` more are allowed before the next lockout (0 while locked), ``retry_after`` are
    the seconds left of the lockout, ``lockouts`` how many came in a row, ``ignored`` the attempts that were turned away.
    """

    locked: bool
    failures: int
    remaining: int
    retry_after: int
    lockouts: int
    ignored: int


def login_lockout(
    attempts: Sequence[Mapping[str, object]],
    now: int,
    max_failures: int = 5,
    window: int = 900,
    lock: int = 60,
    longest: int = 3600,
) -> Lockout:
    """Replay ``attempts``, each ``{"at": seconds, "success": bool}`` in order of time, and judge the account at ``now``.

    A success outside a lockout forgives failures and earlier lockouts. Raises ``ValueError`` for settings out of range,
    attempts out of order, and attempts that are later than ``now``.
    """
    policy = Policy(max_failures, window, lock, longest)
    failures: list[int] = []
    lockouts = ignored = locked_until = previous = 0
    for number, attempt in enumerate(attempts, start=1):
        at = int(str(attempt["at"]))
        if at < previous:
            raise ValueError(f"attempt {number}: before the one ahead of it")
        if at > now:
            raise ValueError(f"attempt {number}: later than now")
        previous = at
        if at < locked_until:
            ignored += 1
        elif attempt["success"] is True:
            failures, lockouts = [], 0
        else:
            failures = [*_recent(failures, at, policy), at]
            if len(failures) >= policy.max_failures:
                lockouts += 1
                locked_until = at + policy.seconds(lockouts)
                failures = []
    counted = len(_recent(failures, now, policy))
    locked = now < locked_until
    return Lockout(
        locked=locked,
        failures=counted,
        remaining=0 if locked else policy.max_failures - counted,
        retry_after=max(locked_until - now, 0),
        lockouts=lockouts,
        ignored=ignored,
    )


def _recent(failures: Sequence[int], now: int, policy: Policy) -> list[int]:
    """Failures that are younger than the window."""
    return [at for at in failures if now - at < policy.window]
