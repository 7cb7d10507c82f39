"""The tables of days: they say what the rows say, whenever counted, and no scrape sees the difference."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.core.management import call_command
from django.utils import timezone

from orchestrator.core import database
from orchestrator.flows.scheduler.dispatcher import Dispatcher
from orchestrator.ops.observability import metrics
from orchestrator.ops.rollups import days, facts, reading, schedule
from orchestrator.ops.rollups.models import FlowDay, GateDay, RollupDay
from providers import limiter
from providers.base import Usage
from tests import scenes
from tests.ops.history import move_back, tell_history

pytestmark = pytest.mark.django_db


def read_everything() -> list[list[tuple]]:
    """All facts by all of their labels."""
    found = []
    for fact in facts.FACTS:
        columns = fact.columns.split(", ")
        keys = [column for column in columns if column not in SUMMED and column != "first_flow"]
        sums = {column: f"sum({column})::numeric(20, 6)" for column in columns if column in SUMMED}
        if "first_flow" in columns:
            # Of a day that is stored in part, the rest is counted as a row of its own.
            sums["first_flow"] = "min(first_flow)"
        found.append([tuple(row) for row in reading.sum_facts(fact, keys, sums)])
    return found


SUMMED = {
    *("flows", "seconds", "usd", "blocks", "quality", "settled", "released", "unknown", "outages"),
    *("input_tokens", "cached_tokens", "output_tokens", "reasoning_tokens", "passed", "failed", "errored"),
    *("first_tries", "first_passed", "scored", "score"),
}


def test_what_is_counted_by_day_is_what_the_rows_say():
    tell_history()
    before = read_everything()
    assert not RollupDay.objects.exists()
    assert all(before)
    assert days.count_due_days() >= 5
    assert RollupDay.objects.count() >= 5
    # A day without anything is counted, too: a gap would be counted live, and what follows it twice.
    assert {row.day for row in RollupDay.objects.all()} >= {day for day, *_ in before[0][:-1]}
    assert read_everything() == before
    # What has just happened is not in the tables yet, and is read all the same.
    assert FlowDay.objects.filter(outcome="created").count() < len(
        [row for row in before[0] if "created" in row]
    )
    assert days.find_next_count() is None


def test_a_past_day_that_is_counted_again_is_the_same():
    tell_history()
    days.count_due_days()
    stored = [list(fact.model.objects.values_list(*fact.columns.split(", "))) for fact in facts.FACTS]
    first = RollupDay.objects.earliest("day").day
    call_command("count_days", "--from", first.isoformat(), "--to", timezone.now().date().isoformat())
    again = [list(fact.model.objects.values_list(*fact.columns.split(", "))) for fact in facts.FACTS]
    assert [sorted(rows) for rows in again] == [sorted(rows) for rows in stored]


def test_a_call_counts_for_the_model_that_answered():
    settled = limiter.acquire(limiter.ReservationRequest("openai", "gpt-4-turbo", 10, 10, timeout_seconds=60))
    refused = limiter.acquire(limiter.ReservationRequest("openai", "gpt-4-turbo", 10, 10, timeout_seconds=60))
    assert isinstance(settled, limiter.Admitted)
    assert isinstance(refused, limiter.Admitted)
    limiter.settle(settled.call_id, "openai", Usage(7), Decimal("0.5"), {}, answered_by="gpt-5.6-sol")
    limiter.release(refused.call_id, "openai")
    rows = reading.sum_facts(facts.CALLS, ["model"], {"settled": "sum(settled)", "released": "sum(released)"})
    assert {(row.model, row.settled, row.released) for row in rows} == {
        ("gpt-5.6-sol", 1, 0),
        ("gpt-4-turbo", 0, 1),
    }


def test_rows_that_were_lost_are_counted_again():
    tell_history()
    days.count_due_days()
    before = read_everything()
    day = GateDay.objects.earliest("day").day
    GateDay.objects.filter(day=day).update(passed=7)
    assert read_everything() != before
    assert days.count_days_again(day, day) == 1
    assert read_everything() == before


def test_a_call_that_is_settled_late_is_in_the_second_count():
    flow = scenes.make_flow()
    claim = scenes.start_kind(flow, "context")
    call = scenes.reserve_call(claim, "google", "gemini-pro", "0.5")
    move_back(flow, 3)
    days.count_due_days()
    limiter.settle(
        call, "google", Usage(input_tokens=100, output_tokens=100), Decimal("0.4"), {}, latency_ms=9
    )
    assert days.find_next_count() is None
    # As if the day had been counted an hour after it ended.
    counted = RollupDay.objects.earliest("day")
    RollupDay.objects.filter(day=counted.day).update(counted_at=counted.through + timedelta(hours=1))
    assert days.find_next_count() == (counted.day, None)
    assert days.count_due_days() == 1
    (found,) = reading.sum_facts(facts.CALLS, (), {"usd": "sum(usd)::float8"})
    assert found.usd == pytest.approx(0.4)


def test_the_present_day_is_counted_up_to_a_quarter_of_an_hour_ago():
    move_back(scenes.run_through(scenes.make_flow()), 2)
    days.count_due_days()
    newest = RollupDay.objects.latest("day")
    behind = timezone.now() - newest.through
    assert days.LAG <= behind < days.LAG + timedelta(minutes=2)
    RollupDay.objects.filter(day=newest.day).update(through=newest.through - timedelta(minutes=6))
    # The clock of a test may say that yesterday ended only an hour ago, and it is due once more then.
    RollupDay.objects.filter(day__lt=newest.day).update(counted_at=timezone.now() + timedelta(hours=3))
    due = days.find_next_count()
    assert due is None or due[0] >= newest.day


def test_while_one_process_counts_another_does_not(transactional_db):
    flow = scenes.run_through(scenes.make_flow())
    day = datetime.now(UTC).date()
    with database_of_another() as other:
        other.execute("SELECT pg_advisory_lock(%s)", [days.LOCK])
        assert not days.count_day(day)
        other.execute("SELECT pg_advisory_unlock(%s)", [days.LOCK])
    assert days.count_day(day)
    assert reading.sum_facts(facts.STARTERS, ("repo",), {"flows": "sum(flows)"})[0].flows == 1
    assert flow.repo.name == "compliance-service"


def database_of_another():
    """A connection of another process."""
    import psycopg  # noqa: PLC0415
    from django.db import connection  # noqa: PLC0415

    parameters = connection.get_connection_params()
    names = ("dbname", "user", "password", "host", "port")
    return psycopg.connect(
        **{name: parameters[name] for name in names if parameters.get(name)}, autocommit=True
    )


def test_metrics_are_the_same_before_and_after_the_count(monkeypatch):
    tell_history()

    def scrape() -> list:
        names = ("flows", "durations_and_costs", "calls", "gates")
        found = [family for name in names for family in metrics.SOURCES[name]()]
        samples = [sample for family in found for sample in family.samples]
        return sorted((s.name, sorted(s.labels.items()), round(s.value, 6)) for s in samples)

    before = scrape()
    days.count_due_days()
    assert scrape() == before


def test_families_beyond_the_bound_share_a_label(monkeypatch):
    monkeypatch.setattr(reading, "MAX_FAMILIES", 2)
    for family in ("zeta", "alpha", "beta", "gamma"):
        scenes.make_flow(block_family=family)
    families = {
        sample.labels["block_family"]
        for metric in metrics.measure_flows()
        for sample in metric.samples
        if sample.name == "flow_status"
    }
    # The first two ever, not the first of the alphabet: what has a label keeps it.
    assert families == {"zeta", "alpha", "other"}


def test_a_source_that_takes_too_long_says_so(monkeypatch):
    monkeypatch.setattr(metrics, "_SOURCE_SECONDS", 0.05)
    slow = lambda: iter(database.fetch_rows("SELECT pg_sleep(20)"))  # noqa: E731
    monkeypatch.setattr(metrics, "SOURCES", {"gates": slow, "flows": metrics.measure_flows})
    samples = [s for family in metrics.OrchestratorCollector().collect() for s in family.samples]
    up = {s.labels["source"]: s.value for s in samples if s.name == "orchestrator_source_up"}
    assert up == {"gates": 0, "flows": 1, "onboarding": 1}


def test_the_dispatcher_asks_a_worker_to_count(monkeypatch):
    sent = []
    # Other rooms ask for their tasks at the same ticks.
    monkeypatch.setattr(
        schedule.app,
        "send_task",
        lambda name, **options: sent.append((name, options)) if name == schedule.TASK else None,
    )
    dispatcher = Dispatcher()
    move_back(scenes.run_through(scenes.make_flow()), 2)
    for _ in range(3):
        dispatcher.tick()
    assert sent == [(schedule.TASK, {"queue": "control", "retry": False})]
    sent.clear()
    days.count_due_days()
    schedule.request_due_count()
    assert sent == []
