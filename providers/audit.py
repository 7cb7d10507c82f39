"""Every counter of the limiter, recomputed from the ledger: they are one truth, and here is the proof."""

from collections import Counter
from dataclasses import dataclass
from typing import Any, Final

from django.db import connection, transaction

from providers.models import BudgetState, CallStatus, ProviderCall, ProviderState

_LEDGER: Final = """
  SELECT provider_hour(created_at), provider_second(created_at), provider_charged_tokens(c), provider_charged_nano(c)
    FROM providers_providercall c
   WHERE (%s::text IS NULL OR provider = %s::text) AND created_at >= to_timestamp((%s::bigint - 24) * 3600)
"""


@dataclass(frozen=True, slots=True)
class CounterDifference:
    """A counter that disagrees with the ledger. ``provider`` is empty for the daily budget."""

    provider: str
    counter: str
    counted: int
    ledger: int


def find_differences() -> list[CounterDifference]:
    """All counters that disagree; none should. Each provider is locked while it is compared, for milliseconds."""
    found: list[CounterDifference] = []
    for name in ProviderState.objects.order_by("provider").values_list("provider", flat=True):
        found += _compare_provider(name)
    return found + _compare_budget()


def repair_counters() -> None:
    """Set every counter to what the ledger says; breakers and pauses stay as they are."""
    with transaction.atomic(), connection.cursor() as cursor:
        for name in ProviderState.objects.order_by("provider").values_list("provider", flat=True):
            cursor.execute("SELECT provider_rebuild_counters(%s)", [name])
        cursor.execute("SELECT provider_rebuild_budget()")


def _compare_provider(name: str) -> list[CounterDifference]:
    with transaction.atomic():
        state = ProviderState.objects.select_for_update().get(provider=name)
        rows = _read_ledger(name, state.head_hour)
        open_calls = list(ProviderCall.objects.filter(provider=name, status=CallStatus.RESERVED))
    hours, seconds, requests = Counter[int](), Counter[int](), Counter[int]()
    for hour, second, tokens, _ in rows:
        hours[hour] += tokens
        seconds[second] += tokens
        requests[second] += 1
    pairs: dict[str, tuple[int, int]] = {
        "reserved_tokens": (state.reserved_tokens, sum(call.reserved_tokens for call in open_calls)),
        "reserved_nano": (
            state.reserved_nano,
            sum(int(call.reserved_usd * 1_000_000_000) for call in open_calls),
        ),
        "inflight": (state.inflight, len(open_calls)),
        "day_tokens": (state.day_tokens, sum(_cut_window(hours, state.head_hour, 25).values())),
        "minute_tokens": (state.minute_tokens, sum(_cut_window(seconds, state.head_second, 61).values())),
        "minute_requests": (
            state.minute_requests,
            sum(_cut_window(requests, state.head_second, 61).values()),
        ),
    }
    pairs |= _pair_buckets("hour_tokens", state.hour_tokens, _cut_window(hours, state.head_hour, 25))
    pairs |= _pair_buckets("second_tokens", state.second_tokens, _cut_window(seconds, state.head_second, 61))
    pairs |= _pair_buckets(
        "second_requests", state.second_requests, _cut_window(requests, state.head_second, 61)
    )
    return _list_differences(name, pairs)


def _compare_budget() -> list[CounterDifference]:
    with transaction.atomic():
        state = BudgetState.objects.select_for_update().first()
        if state is None:
            return []
        rows = _read_ledger(None, state.head_hour)
    hours = Counter[int]()
    for hour, _, _, nano in rows:
        hours[hour] += nano
    window = _cut_window(hours, state.head_hour, 25)
    pairs = {"day_nano": (state.day_nano, sum(window.values()))} | _pair_buckets(
        "hour_nano", state.hour_nano, window
    )
    return _list_differences("", pairs)


def _read_ledger(provider: str | None, head_hour: int) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(_LEDGER, [provider, provider, head_hour])
        return list(cursor.fetchall())


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
