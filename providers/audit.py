"""Every counter of the limiter, recomputed from the ledger and compared with it."""

from collections import Counter
from dataclasses import dataclass
from typing import Any, Final

from django.db import connection, transaction

from orchestrator.core import database
from orchestrator.core.sql import load_statements
from providers.limiter import NANO
from providers.models import (
    HOURS,
    SECONDS,
    BudgetState,
    CallStatus,
    ProviderCall,
    ProviderState,
    RepoUse,
)

_SQL: Final = load_statements(__file__)


@dataclass(frozen=True, slots=True)
class CounterDifference:
    """A counter that disagrees with the ledger.

    ``provider`` is empty for the daily budget, and ``repo <name>`` for what a repo has used.
    """

    provider: str
    counter: str
    counted: int
    ledger: int


def find_differences() -> list[CounterDifference]:
    """Return all counters that disagree with the ledger; none should.

    Each provider is locked while it is compared, for milliseconds.
    """
    found: list[CounterDifference] = []
    # One provider after the other, so that calls to the others continue.
    for name in ProviderState.objects.order_by("provider").values_list("provider", flat=True):
        found += _compare_provider(name)
    for repo in RepoUse.objects.order_by("repo").values_list("repo", flat=True):
        found += _compare_repo(repo)
    return found + _compare_budget()


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
        rows = _read_charges(state.head_hour, provider=name)
        open_calls = list(ProviderCall.objects.filter(provider=name, status=CallStatus.RESERVED))
    # Counted again in Python, on purpose: a second implementation finds faults of the first.
    hours, seconds, requests = Counter[int](), Counter[int](), Counter[int]()
    for row in rows:
        hours[row.hour] += row.tokens
        seconds[row.second] += row.tokens
        requests[row.second] += 1
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


def _compare_repo(name: str) -> list[CounterDifference]:
    with transaction.atomic():
        # A call changes the ledger and this row in one transaction, so both are seen as of its commit.
        state = RepoUse.objects.select_for_update().get(repo=name)
        rows = _read_charges(state.head_hour, repo=name)
    tokens, nano = Counter[int](), Counter[int]()
    for row in rows:
        tokens[row.hour] += row.tokens
        nano[row.hour] += row.nano
    day_tokens = _cut_window(tokens, state.head_hour, HOURS)
    day_nano = _cut_window(nano, state.head_hour, HOURS)
    pairs = {
        "day_tokens": (state.day_tokens, sum(day_tokens.values())),
        "day_nano": (state.day_nano, sum(day_nano.values())),
    }
    pairs |= _pair_buckets("hour_tokens", state.hour_tokens, day_tokens)
    pairs |= _pair_buckets("hour_nano", state.hour_nano, day_nano)
    return _list_differences(f"repo {name}", pairs)


def _compare_budget() -> list[CounterDifference]:
    with transaction.atomic():
        state = BudgetState.objects.select_for_update().first()
        if state is None:
            return []
        rows = _read_charges(state.head_hour)
    hours = Counter[int]()
    for row in rows:
        hours[row.hour] += row.nano
    window = _cut_window(hours, state.head_hour, HOURS)
    pairs = {"day_nano": (state.day_nano, sum(window.values()))} | _pair_buckets(
        "hour_nano", state.hour_nano, window
    )
    return _list_differences("", pairs)


def _read_charges(head_hour: int, *, provider: str | None = None, repo: str | None = None) -> list[Any]:
    parameters = {"provider": provider, "repo": repo, "head_hour": head_hour}
    return database.fetch_rows(_SQL["read_charges"], parameters)


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
