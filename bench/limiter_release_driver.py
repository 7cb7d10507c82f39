"""Fills a provider, parks flows before it, makes room, and reads from the database when they ran: prints
JSON.

The time is from before the statement that makes room to the claim of the stage by a worker, both by the
database's clock.
"""

import itertools
import json
import os
import random
import statistics
import sys
import time
from collections.abc import Callable
from decimal import Decimal

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "orchestrator.settings")
django.setup()

from django.db import connection  # noqa: E402 - needs the settings

from bench.limiter_release import QUOTA, SLOTS  # noqa: E402
from bench.scale import SMALL, choose_size  # noqa: E402
from orchestrator.core import database  # noqa: E402
from orchestrator.flows import engine  # noqa: E402
from orchestrator.repos.models import Repo  # noqa: E402
from providers import breaker, limiter  # noqa: E402
from providers.base import Usage  # noqa: E402
from providers.limiter import Admitted, Limits, ReservationRequest  # noqa: E402

ROUNDS = choose_size(full=12, small=1)
PROVIDER = "google"
EVERYTHING = Limits(10**12, 10**12, 10**9, 10**6, 10**18)
WAITING = """
SELECT count(*) AS n FROM flows_stage
WHERE flow_id = ANY(%(flows)s) AND status = 'waiting' AND waits_for <> ''
"""
PASSED = "SELECT count(*) AS n FROM flows_flow WHERE id = ANY(%(flows)s) AND status = 'passed'"
RAN = """
SELECT 1000 * extract(epoch FROM at.started_at - %(opened)s)::float8 AS ms FROM flows_attempt at
JOIN flows_stage st ON st.id = at.stage_id WHERE st.flow_id = ANY(%(flows)s) AND at.outcome = 'passed'
"""
HOURS = itertools.count(25, 25)  # how far the limiter's clock is put ahead: each time by a whole window
Opening = Callable[[], object]


def take(tokens: int) -> Admitted:
    """A reservation that no limit refuses."""
    verdict = limiter.acquire(ReservationRequest(PROVIDER, "m", tokens, 0, timeout_seconds=600), EVERYTHING)
    if not isinstance(verdict, Admitted):
        raise TypeError(verdict)
    return verdict


def settle() -> Opening:
    """All slots are taken; then the calls settle."""
    calls = [take(1) for _ in range(SLOTS)]
    return lambda: [
        limiter.settle(one.call_id, PROVIDER, Usage(input_tokens=1), Decimal(0), {}) for one in calls
    ]


def hour() -> Opening:
    """The day's tokens are used up; then their hour leaves the window."""
    used = take(QUOTA)
    limiter.settle(used.call_id, PROVIDER, Usage(input_tokens=QUOTA), Decimal(0), {})

    def turn() -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                "CREATE OR REPLACE FUNCTION provider_now() RETURNS timestamptz LANGUAGE sql VOLATILE AS "
                f"'SELECT clock_timestamp() + make_interval(hours => {next(HOURS)})'"
            )

    return turn


def resume() -> Opening:
    """Paused; then an operator resumes it."""
    breaker.pause_provider(PROVIDER, actor="bench", reason="to be resumed")
    return lambda: breaker.resume_provider(PROVIDER, actor="bench", reason="measured")


def until(statement: str, flows: list[str]) -> None:
    """All of ``flows`` are as the statement counts them."""
    end = time.monotonic() + 60
    while database.fetch_rows(statement, {"flows": flows})[0].n < len(flows):
        if time.monotonic() > end:
            raise TimeoutError(statement)
        time.sleep(0.02)


def once(close: Callable[[], Opening], repos: list[Repo]) -> list[float]:
    """One round: as many flows as there are slots wait, then there is room for all of them; ms of each."""
    make_room = close()
    flows = [
        engine.create(repos[place % len(repos)], "Nothing.", flow_type="ask_once").pk
        for place in range(SLOTS)
    ]
    until(WAITING, flows)
    time.sleep(random.uniform(0.1, 0.3))  # at any moment between two looks of the dispatcher
    opened = database.read_clock()
    make_room()
    until(PASSED, flows)
    return [row.ms for row in database.fetch_rows(RAN, {"flows": flows, "opened": opened})]


def run() -> None:
    """Prints JSON."""
    repos = [Repo.objects.get_or_create(name=name)[0] for name in ("one", "two")]
    ways = {"settled": settle, "hour_rolled": hour, "resumed": resume}
    if not SMALL:
        # Connections are open and statements planned before anything counts.
        for close in ways.values():
            once(close, repos)
    found = {name: [ms for _ in range(ROUNDS) for ms in once(close, repos)] for name, close in ways.items()}
    whole = [ms for times in found.values() for ms in times]
    results = {
        f"release_ms_p95_{name}": round(statistics.quantiles(times, n=20)[-1], 1)
        for name, times in found.items()
    }
    results |= {
        "release_ms_p50": round(statistics.median(whole), 1),
        "release_ms_worst": round(max(whole), 1),
    }
    results |= {"release_ms_p95": round(statistics.quantiles(whole, n=20)[-1], 1), "releases": len(whole)}
    sys.stdout.write(json.dumps(results))


if __name__ == "__main__":
    run()
