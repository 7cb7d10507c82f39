"""One process of callers for ``bench.limiter``: ``python -m bench.limiter_caller spend|pairs THREADS SECONDS
TALLY``.

``spend`` calls until the day's quota is used up; what a call really uses is written to the file TALLY when it
reaches "the provider", before anything can go wrong on our side. ``pairs`` counts acquire-and-settle pairs.
"""

import os
import random
import sys
import threading
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import django
from django.db import Error, connection

from bench.scale import choose_size

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "orchestrator.settings")
django.setup()

from providers import limiter  # noqa: E402 - needs the settings
from providers.base import Usage  # noqa: E402
from providers.limiter import Admitted, Denied, Limits, ReservationRequest  # noqa: E402

QUOTA = choose_size(full=500_000, small=20_000)
SPEND = Limits(QUOTA, 10**12, 10**9, 10**6, 10**15)
PLENTY = Limits(10**12, 10**12, 10**9, 10**6, 10**15)
PROVIDER = "google"


def spend(tally: int, deadline: float) -> None:
    """Call with hard bounds, use 30 to 100 % of each; ask for less as the quota runs out; stop when nothing
    is left.
    """
    dice, bound = random.Random(), 1600
    while time.monotonic() < deadline and bound >= 25:
        asked = dice.randint(bound // 2, bound)
        try:
            verdict = limiter.acquire(ReservationRequest(PROVIDER, "m", asked, 0, timeout_seconds=30), SPEND)
            if isinstance(verdict, Denied):
                if verdict.reservations_only:
                    time.sleep(dice.uniform(0.01, 0.03))
                else:
                    bound //= 2
                continue
            if not isinstance(verdict, Admitted):
                raise TypeError(verdict)
            used = max(1, asked * dice.randint(30, 100) // 100)
            os.write(tally, f"{used}\n".encode())
            time.sleep(dice.uniform(0.005, 0.03))
            usage = Usage(input_tokens=used // 2, output_tokens=used - used // 2)
            limiter.settle(verdict.call_id, PROVIDER, usage, Decimal(0), {})
        except Error:
            connection.close()


def pairs(deadline: float, counts: list[int]) -> None:
    """Acquire and settle, one after the other, without a call between them."""
    done, usage = 0, Usage(input_tokens=300, output_tokens=100)
    while time.monotonic() < deadline:
        verdict = limiter.acquire(ReservationRequest(PROVIDER, "m", 1000, 1000, timeout_seconds=30), PLENTY)
        if not isinstance(verdict, Admitted):
            raise TypeError(verdict)
        limiter.settle(verdict.call_id, PROVIDER, usage, Decimal("0.000000500"), {})
        done += 1
    counts.append(done)


def run() -> None:
    """See the module."""
    mode, threads, seconds, path = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), Path(sys.argv[4])
    if mode == "pairs":  # all begin at once
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        sys.stdin.readline()
    counts: list[int] = []
    tally = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    deadline = time.monotonic() + seconds
    job: tuple[Callable[..., None], tuple[object, ...]] = (
        (spend, (tally, deadline)) if mode == "spend" else (pairs, (deadline, counts))
    )
    work = [threading.Thread(target=job[0], args=job[1]) for _ in range(threads)]
    for thread in work:
        thread.start()
    for thread in work:
        thread.join()
    sys.stdout.write(f"{sum(counts)}\n")


if __name__ == "__main__":
    run()
