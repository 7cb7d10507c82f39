"""Every counter of the limiter, recomputed from the ledger and compared with it."""

from collections import Counter
from dataclasses import dataclass
from typing import Final

from django.db import connection, transaction

from orchestrator.core import database
from orchestrator.core.sql import load_statements
from providers.limiter import NANO
from providers.models import (
    HOURS,
    SECONDS,
    CallStatus,
    ProviderCall,
    ProviderState,
    RepoUse,
)

_SQL: Final = load_statements(__file__)
REPO_PREFIX: Final = "repo "


@dataclass(frozen=True, slots=True)
class CounterDifference:
    """A counter that disagrees with the ledger.

    ``provider`` is empty for the daily budget, and ``repo <name>`` for what a repo has used.
    """

    provider: str
    counter: str
    counted: int
    ledger: int


def find_differences(*, idle_hours: int = 24) -> list[CounterDifference]:
    """Return all counters that disagree with the ledger; none should.

    Repos and the budget are compared if they had a call in the last ``idle_hours``: after a day nothing that
    they hold counts. Each provider is locked while it is compared, for milliseconds; they are not.
    """
    found: list[CounterDifference] = []
    # One provider after the other, so that calls to the others continue.
    for name in ProviderState.objects.order_by("provider").values_list("provider", flat=True):
        found += _compare_provider(name)
    return found + _compare_uses(idle_hours)


def repair_counters() -> None:
    """Set every counter to what the ledger says; breakers and pauses stay as they are."""
    with transaction.atomic(), connection.cursor() as cursor:
        for name in ProviderState.objects.order_by("provider").values_list("provider", flat=True):
            cursor.execute("SELECT provider_rebuild_counters(%s)", [name])
        for repo in RepoUse.objects.order_by("repo").values_list("repo", flat=True):
            cursor.execute("SELECT provider_rebuild_repo(%s)", [repo])
        cursor.execute("SELECT provider_rebuild_budget()")


def _compare_provider(name: str) -> list[CounterDifference]:
    with transaction.atomic():
        # The lock keeps counters and ledger still, so both are read as of one moment.
        state = ProviderState.objects.select_for_update().get(provider=name)
        rows = database.fetch_rows(
            _SQL["read_provider_charges"],
            {
                "provider": name,
                "head_hour": state.head_hour,
                "first_second": state.head_second - SECONDS + 1,
            },
        )
        open_calls = list(ProviderCall.objects.filter(provider=name, status=CallStatus.RESERVED))
    # Counted again in Python, on purpose: a second implementation finds faults of the first.
    hours, seconds, requests = Counter[int](), Counter[int](), Counter[int]()
    for row in rows:
        hours[row.hour] += row.tokens
        if row.second is not None:
            seconds[row.second] += row.tokens
            requests[row.second] += row.calls
    day, minute = _cut_window(hours, state.head_hour, HOURS), _cut_window(seconds, state.head_second, SECONDS)
    minute_requests = _cut_window(requests, state.head_second, SECONDS)
    reserved_nano = sum(int(call.reserved_usd * NANO) for call in open_calls)
    pairs: dict[str, tuple[int, int]] = {
        "reserved_tokens": (state.reserved_tokens, sum(call.reserved_tokens for call in open_calls)),
        "reserved_nano": (state.reserved_nano, reserved_nano),
        "inflight": (state.inflight, len(open_calls)),
        "day_tokens": (state.day_tokens, sum(day.values())),
        "minute_tokens": (state.minute_tokens, sum(minute.values())),
        "minute_requests": (
            state.minute_requests,
            sum(minute_requests.values()),
        ),
    }
    pairs |= _pair_buckets("hour_tokens", state.hour_tokens, day)
    pairs |= _pair_buckets("second_tokens", state.second_tokens, minute)
    pairs |= _pair_buckets("second_requests", state.second_requests, minute_requests)
    return _list_differences(name, pairs)


def _compare_uses(idle_hours: int) -> list[CounterDifference]:
    """Compare the repos and the budget.

    A call changes the ledger and these rows in one transaction, so all are seen as of its commit.
    """
    found = []
    for row in database.fetch_rows(_SQL["read_uses"], {"idle_hours": idle_hours}):
        charged = {"nano": (row.day_nano, row.hour_nano, row.nano)}
        if row.repo is not None:
            charged["tokens"] = (row.day_tokens, row.hour_tokens, row.tokens)
        pairs: dict[str, tuple[int, int]] = {}
        for unit, (day, by_hour, amounts) in charged.items():
            hours = Counter[int]()
            for hour, amount in zip(row.hours, amounts, strict=True):
                hours[hour] += amount
            window = _cut_window(hours, row.head_hour, HOURS)
            pairs |= {f"day_{unit}": (day, sum(window.values()))}
            pairs |= _pair_buckets(f"hour_{unit}", by_hour, window)
        found += _list_differences("" if row.repo is None else f"{REPO_PREFIX}{row.repo}", pairs)
    return found


def _cut_window(buckets: Counter[int], head: int, span: int) -> dict[int, int]:
    return {bucket: buckets[bucket] for bucket in range(head - span + 1, head + 1)}


def _pair_buckets(name: str, stored: list[int], expected: dict[int, int]) -> dict[str, tuple[int, int]]:
    return {f"{name}[{bucket}]": (stored[bucket % len(stored)], value) for bucket, value in expected.items()}


def _list_differences(provider: str, pairs: dict[str, tuple[int, int]]) -> list[CounterDifference]:
    return [
        CounterDifference(provider, name, counted, ledger)
        for name, (counted, ledger) in pairs.items()
        if counted != ledger
    ]
