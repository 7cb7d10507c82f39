"""One caller alone: the p50 of acquire-and-settle over the p50 of a single-row UPDATE, in turns, by the same
connection.
"""

import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from decimal import Decimal

import django
from django.db import connection

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "orchestrator.settings")
django.setup()

from bench.limiter_caller import PLENTY, PROVIDER  # noqa: E402 - needs the settings
from bench.scale import choose_size  # noqa: E402
from orchestrator.core import database  # noqa: E402
from providers import limiter  # noqa: E402
from providers.base import Usage  # noqa: E402
from providers.limiter import Admitted, ReservationRequest  # noqa: E402

ROUNDS = choose_size(full=1500, small=10)
WARM_UP = choose_size(full=50, small=1)


def pair() -> None:
    """Reserve and settle one call."""
    verdict = limiter.acquire(ReservationRequest(PROVIDER, "m", 1000, 1000, timeout_seconds=30), PLENTY)
    if not isinstance(verdict, Admitted):
        raise TypeError(verdict)
    limiter.settle(
        verdict.call_id, PROVIDER, Usage(input_tokens=300, output_tokens=100), Decimal("0.0000005"), {}
    )


def update() -> None:
    """What a limiter cannot be cheaper than."""
    database.fetch_row("UPDATE bench_one SET n = n + 1 WHERE id = %s RETURNING n", [1])


def milliseconds(work: Callable[[], None]) -> float:
    """Of one run."""
    started = time.perf_counter()
    work()
    return (time.perf_counter() - started) * 1000


def run() -> None:
    """Prints JSON."""
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE IF NOT EXISTS bench_one (id int PRIMARY KEY, n bigint) WITH (fillfactor = 50)"
        )
        cursor.execute("INSERT INTO bench_one VALUES (1, 0) ON CONFLICT DO NOTHING")
    for _ in range(WARM_UP):
        pair()
        update()
    times = [(milliseconds(pair), milliseconds(update)) for _ in range(ROUNDS)]
    one_pair, one_update = (statistics.median(column) for column in zip(*times, strict=True))
    sys.stdout.write(
        json.dumps(
            {
                "uncontended_pair_vs_update_p50": round(one_pair / one_update, 2),
                "uncontended_pair_ms_p50": round(one_pair, 3),
                "single_row_update_ms_p50": round(one_update, 3),
            }
        )
    )


if __name__ == "__main__":
    run()
