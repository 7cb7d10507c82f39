"""The page about capacity has the figures of the results, and SQL reads the simulated clock."""

import threading

import psycopg
import pytest
from django.conf import settings

from bench import capacity_clock, capacity_page
from bench.capacity_causes import name_cause
from tests.databases import url_of_test_database


def test_the_page_and_its_picture_have_the_figures_of_the_results():
    text = capacity_page.PAGE.read_text(encoding="utf-8")
    assert capacity_page.compose_page(text) == text, "type python -m bench.capacity_page"
    drawn = capacity_page.draw_chart(capacity_page.read_results("capacity"))
    assert capacity_page.PICTURE.read_text(encoding="utf-8") == drawn


def test_every_figure_of_the_prose_is_one_of_the_results():
    text = capacity_page.PAGE.read_text(encoding="utf-8")
    capacity = capacity_page.read_results("capacity")
    assert capacity["bound_by_500"] == capacity["bound_by_50000"] == "daily quota of google"
    tokens = capacity_page.count_tokens_per_flow(capacity)
    carried = capacity_page.PAUSE_SHARE * capacity_page.VENDORS["google"] / tokens["google"]
    words = {8: "eight", 9: "nine", 10: "ten", 11: "eleven", 12: "twelve"}
    assert f"are for {words[round(carried)]} such flows" in text
    assert capacity["holds_targets_more_quota"]
    assert capacity["stopped_early_50000"] == ("cut off by its time" in text)


@pytest.mark.parametrize(
    ("kind", "reason", "cause"),
    [
        ("stage.started", "", "models and gates"),
        ("stage.ready", "", "slots of gates"),
        (
            "stage.waiting",
            "google: 84 % of daily tokens used or reserved; more later",
            "daily quota of google",
        ),
        ("stage.waiting", "google: waits its turn behind 3 others", "daily quota of google"),
        ("stage.waiting", "openai: 100 % of the daily budget used or reserved; more later", "daily budget"),
        ("stage.waiting", "openai: all 32 slots are taken; waiting", "slots are taken at openai"),
        ("stage.waiting", "Attempt 1 of 4 failed: 503", "pauses before another attempt"),
    ],
)
def test_a_span_has_a_cause(kind, reason, cause):
    assert name_cause(kind, "gates", reason) == cause


@pytest.mark.django_db(transaction=True)
def test_sql_lives_in_simulated_time_and_jobs_wake_in_its_order():
    name = f"{settings.DATABASES['default']['NAME']}_clock"
    url = url_of_test_database()
    other = url.replace(settings.DATABASES["default"]["NAME"], name)
    with psycopg.connect(url, autocommit=True) as server:
        server.execute(f'CREATE DATABASE "{name}"')
    try:
        capacity_clock.replace_clock(other, name, 1_000_000.0)
        clock = capacity_clock.SimulatedTime(other, 1_000_000.0, threads=4)
        seen: list[tuple[str, float]] = []
        lock = threading.Lock()

        def work(word: str, seconds: float) -> None:
            clock.sleep(seconds)
            with psycopg.connect(other) as connection:
                row = connection.execute(
                    "SELECT extract(epoch FROM clock_timestamp()), extract(epoch FROM now())"
                ).fetchone()
            assert row is not None
            assert row[0] == row[1]
            with lock:
                seen.append((word, float(row[0]) - 1_000_000.0))

        jobs = [lambda: work("late", 7200.0), lambda: work("soon", 60.0)]
        clock.call_at(1_000_000.0, lambda: clock.start_jobs(jobs))
        clock.run(1_100_000.0)
        assert [word for word, _ in seen] == ["soon", "late"]
        # Later than asked only by what the jobs took in real time.
        assert [round(at) for _, at in seen] == pytest.approx([60, 7200], abs=10)
        clock.close()
    finally:
        with psycopg.connect(url, autocommit=True) as server:
            server.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
