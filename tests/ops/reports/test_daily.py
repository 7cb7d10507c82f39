"""The daily report over REST: what it counts, when, for whom, in which forms."""

import csv
import io
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIClient

from orchestrator.ops.dashboards.description import DASHBOARDS
from orchestrator.ops.dashboards.panels import FigurePanel
from orchestrator.ops.dashboards.period import Period
from orchestrator.ops.dashboards.reader import Reader
from orchestrator.ops.reports import rendering
from orchestrator.ops.reports.report_kind import REPORT_KINDS
from orchestrator.ops.rollups import days
from orchestrator.repos import tokens
from tests import scenes
from tests.ops.history import move_back, tell_deployment

pytestmark = pytest.mark.django_db
URL = "/api/v1/reports/daily/"
HOUR = 1 / 24


@pytest.fixture
def as_token() -> Callable[..., APIClient]:
    def make(owner: Any = None) -> APIClient:
        client = APIClient()
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {tokens.create_token('test', owner)[1]}")
        return client

    return make


@pytest.fixture
def operator(as_token) -> APIClient:
    return as_token()


def find_line(report: dict[str, Any], key: str) -> dict[str, Any]:
    (found,) = [one for section in report["sections"] for one in section["lines"] if one["key"] == key]
    return found


def end_flow(days_back: float, *, fails: bool = False, **options: Any) -> None:
    move_back(scenes.run_through(scenes.make_flow(**options), gates_fail=fails), days_back)


@pytest.mark.parametrize("is_counted", [False, True], ids=["from the rows", "from the tables of days"])
def test_the_last_hours_count_from_the_minute_on(operator, is_counted):
    # From the oldest on, because days are counted from the first flow.
    end_flow(7.01)
    end_flow(6.99)
    for hours, fails in ((49, True), (47, False), (24.1, True), (23.9, True), (23, False), (1, False)):
        end_flow(hours * HOUR, fails=fails)
    if is_counted:
        days.count_due_days()
    report = operator.get(URL).json()
    assert find_line(report, "flows")["value"] == 3
    assert find_line(report, "success")["value"] == pytest.approx(200 / 3)
    assert find_line(report, "spend-a-day")["value"] == find_line(report, "spend")["value"] > 0
    assert operator.get(URL, {"last": "24h"}).json()["sections"] == report["sections"]
    week = operator.get(URL, {"last": "7d"}).json()
    assert find_line(week, "flows")["value"] == 7
    assert find_line(week, "spend-a-day")["value"] == pytest.approx(
        find_line(week, "spend")["value"] / 7, abs=1e-6
    )
    since, until = (datetime.fromisoformat(week[name]) for name in ("since", "until"))
    assert until - since == timedelta(days=7)
    assert abs(timezone.now() - until) < timedelta(minutes=1)


def test_a_day_is_a_day_in_utc_in_every_zone_of_the_server(operator, settings):
    settings.TIME_ZONE = "America/New_York"
    yesterday = timezone.now().astimezone(UTC).date() - timedelta(days=1)
    midnight = datetime.combine(yesterday, datetime.min.time(), UTC)
    # The first and the last minute of the day, and a minute on either side.
    for moment in (
        midnight - timedelta(minutes=1),
        midnight + timedelta(minutes=1),
        midnight + timedelta(hours=23, minutes=59),
        midnight + timedelta(hours=24, minutes=1),
    ):
        end_flow((timezone.now() - moment) / timedelta(days=1))
    report = operator.get(URL, {"day": yesterday.isoformat()}).json()
    assert (report["first"], report["last"]) == (yesterday.isoformat(), yesterday.isoformat())
    assert report["since"] == f"{yesterday}T00:00:00Z"
    assert find_line(report, "flows")["value"] == 2
    days.count_due_days()
    assert find_line(operator.get(URL, {"day": yesterday.isoformat()}).json(), "flows")["value"] == 2


def test_every_figure_is_that_of_the_dashboards(operator):
    tell_deployment(4)
    yesterday = timezone.now().date() - timedelta(days=1)
    report = operator.get(URL, {"day": yesterday.isoformat()}).json()
    reader = Reader(Period(yesterday, yesterday), None)
    lines = [line for section in report["sections"] for line in section["lines"]]
    assert len(lines) > 12
    for line in lines:
        found = [dashboard.find_panel(line["key"]) for dashboard in DASHBOARDS]
        panel = next(one for one in found if isinstance(one, FigurePanel))
        assert line["value"] == pytest.approx(panel.read(reader), abs=1e-6), line["key"]
        assert line["title"] == panel.title


def test_a_red_cross_is_on_every_missed_target_and_nowhere_else(operator):
    end_flow(HOUR)
    healthy = operator.get(URL, {"format": "markdown"}).content.decode()
    assert "❌" not in healthy
    assert "- Success rate: 100 % (target: at least 99 %) ✅" in healthy
    for _ in range(4):
        end_flow(HOUR, fails=True)
    report = operator.get(URL).json()
    text = operator.get(URL, {"format": "markdown"}).content.decode()
    missed = [
        one["title"] for section in report["sections"] for one in section["lines"] if one["met"] is False
    ]
    crossed = [line for line in text.splitlines() if "❌" in line]
    assert "Success rate" in missed
    assert len(crossed) == len(missed)
    assert all(any(line.startswith(f"- {title}:") for line in crossed) for title in missed)


def test_without_flows_nothing_is_met_and_nothing_is_missed(operator):
    text = operator.get(URL, {"format": "markdown"}).content.decode()
    assert "❌" not in text
    assert "- Success rate: no data (target: at least 99 %) ⚪" in text


def test_the_three_formats_say_the_same(operator):
    end_flow(HOUR, fails=True, block_family="=1+1|[x](y)")
    answers = {form: operator.get(URL, {"format": form}) for form in ("json", "markdown", "csv")}
    assert {form: answer["Content-Type"] for form, answer in answers.items()} == {
        "json": "application/json",
        "markdown": "text/markdown; charset=utf-8",
        "csv": "text/csv; charset=utf-8",
    }
    report, text = answers["json"].json(), answers["markdown"].content.decode()
    rows = list(csv.DictReader(io.StringIO(answers["csv"].content.decode())))
    for section in report["sections"]:
        for line in section["lines"]:
            assert f"- {line['title']}: {line['words']}" in text
            (row,) = [one for one in rows if one["key"] == line["key"]]
            assert row["value"] == ("" if line["value"] is None else str(line["value"]))
            assert row["flows"] == (f"http://testserver{line['flows']}" if line["flows"] else "")


def test_names_of_others_are_neither_markdown_nor_formulas(operator):
    end_flow(HOUR, fails=True)
    document = operator.get(URL).json()
    table = next(
        one
        for section in document["sections"]
        for one in section["tables"]
        if one["key"] == "failures-by-reason"
    )
    assert table["rows"][0]["name"] == "gate:mutation-failed"
    assert rendering._escape("a|b\n[c](d)") == "a\\|b \\[c\\](d)"


def test_a_figure_leads_to_its_flows(operator, client, admin_user):
    end_flow(1, fails=True)
    end_flow(1)
    day = (timezone.now() - timedelta(days=1)).date().isoformat()
    success = find_line(operator.get(URL, {"day": day}).json(), "success")
    assert success["flows"] == f"/flows/?ended=failed&from={day}&to={day}"
    client.force_login(admin_user)
    page = client.get(success["flows"]).content.decode()
    assert page.count("failed") > page.count("passed")
    text = operator.get(URL, {"day": day, "format": "markdown"}).content.decode()
    assert f"([flows](http://testserver{success['flows']}))" in text


def test_links_begin_with_the_public_address(operator, settings):
    settings.PUBLIC_URL = "https://blocks.example.org"
    text = operator.get(URL, {"format": "markdown"}).content.decode()
    assert "https://blocks.example.org/flows/" in text
    assert "testserver" not in text


def test_a_token_of_a_repo_has_the_figures_of_its_repo(operator, as_token):
    repo, other = scenes.make_repo(), scenes.make_repo("other")
    end_flow(HOUR)
    end_flow(HOUR, owner=other)
    assert find_line(operator.get(URL).json(), "flows")["value"] == 2
    own = as_token(repo).get(URL).json()
    assert (own["repo"], find_line(own, "flows")["value"]) == (repo.name, 1)
    # What all repos may spend judges none of them alone.
    assert find_line(own, "spend-a-day")["target"] == ""
    assert "other" not in as_token(repo).get(URL, {"format": "markdown"}).content.decode()
    assert find_line(operator.get(URL, {"repo": "other"}).json(), "flows")["value"] == 1
    assert as_token(repo).get(URL, {"repo": "other"}).status_code == 403
    assert operator.get(URL, {"repo": "nobody"}).status_code == 404


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"last": "1y"}, "'1y' is not one of 24h, 7d"),
        ({"day": "yesterday"}, "'yesterday' is not a day"),
        ({"day": "20261101"}, "is not a day"),
        ({"day": "2026-02-30"}, "is not a day"),
        ({"day": "0001-01-01"}, "before the first flow"),
        ({"day": "2999-01-01"}, "is not over yet"),
        ({"day": timezone.now().astimezone(UTC).date().isoformat()}, "is not over yet"),
        ({"day": "2026-11-01", "last": "24h"}, "exclude each other"),
        ({"format": "pdf"}, "'pdf' is not known"),
    ],
)
def test_what_cannot_be_reported_is_refused_with_a_cure(operator, asked, words):
    answer = operator.get(URL, asked)
    # A value that the schema does not list is a wrong parameter; a day is a day, and refused for what it is.
    assert answer.status_code == (400 if "format" in asked else 422), answer.content
    assert words in answer.json()["detail"]
    assert answer.json()["cure"]


def test_a_report_costs_as_many_queries_with_many_flows(operator, django_assert_num_queries):
    end_flow(1)
    days.count_due_days()
    operator.get(URL)
    with CaptureQueriesContext(connection) as with_one:
        operator.get(URL)
    tell_deployment(6)
    with django_assert_num_queries(len(with_one)):
        operator.get(URL)
    # Each fact is read once for all figures.
    figures = sum(len(plan.panels) for plan in REPORT_KINDS.get("daily").sections)
    assert len(with_one) < figures + 12


def test_the_last_hours_end_with_how_things_stand(operator, as_token):
    for minutes in (1, 6, 9):
        scenes.make_flow().stages.filter(status="ready").update(
            ready_at=timezone.now() - timedelta(minutes=minutes)
        )
    report = operator.get(URL).json()
    assert report["sections"][-1]["title"] == "Now"
    assert find_line(report, "queued") | {"value": 2.0, "met": False} == find_line(report, "queued")
    google = find_line(report, "quota-google")
    assert (google["words"], google["target"], google["met"]) == ("0 %", "at most 70 %", True)
    day = (timezone.now() - timedelta(days=1)).date().isoformat()
    assert operator.get(URL, {"day": day}).json()["sections"][-1]["title"] != "Now"
    assert as_token(scenes.make_repo()).get(URL).json()["sections"][-1]["title"] != "Now"
