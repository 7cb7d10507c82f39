"""The weekly update, the soak with its evidence package, the rollout: what the launch runbook asks for."""

import json
import re
from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from rest_framework.test import APIClient

from orchestrator.ops.dashboards.period import Period, begin_day
from orchestrator.ops.incidents.models import Incident
from orchestrator.ops.reports import archive, texts
from orchestrator.ops.reports.building import build_report
from orchestrator.ops.reports.kinds import weekly
from orchestrator.ops.reports.models import FigureAnswer, Report
from orchestrator.ops.reports.report_kind import REPORT_KINDS
from orchestrator.ops.training.csv_import import import_csv
from orchestrator.ops.training.models import Certificate, Trainee
from orchestrator.repos import repo_settings, tokens
from orchestrator.repos.models import Repo
from tests import scenes
from tests.ops.history import tell_deployment
from tests.ops.launch_runbook import read_facts
from tests.ops.training import records

pytestmark = pytest.mark.django_db
FACTS = read_facts()
# The runbook's words for what our reports show.
TITLES = {
    "flows executed successfully": "Flows executed successfully",
    "All 10 repos onboarded and active": "Repos onboarded",
    "Flow success rate": "Success rate",
    "P95 latency": "P95 latency",
    "Cost/feature": "Cost per feature",
    "SLO compliance": "SLO compliance",
    "Zero P1 incidents": "P1 incidents",
    "Stakeholder feedback": "Stakeholder feedback, of 5",
    "Repos onboarded": "Repos onboarded",
    "Flows executed": "Flows in all",
    "Adoption rate": "Active repos",
    "Training completion": "Certified teams, percent",
    "Support backlog": "Open support tickets",
    "ROI sustained": "Return on spend",
    "Cost controls": "Spend a day",
    "Quality maintained": "Quality score",
    "Incident rate": "P2 incidents a month",
}


@pytest.fixture
def operator() -> APIClient:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {tokens.create_token('sre')[1]}")
    return client


def today() -> date:
    return timezone.now().date()


def last_thursday() -> date:
    return next(day for day in (today() - timedelta(days=back) for back in range(1, 8)) if day.weekday() == 3)


def answer(key: str, value: str, day: date) -> None:
    FigureAnswer.objects.create(key=key, day=day, value=Decimal(value), source="a survey", person="pm")


def onboard(count: int) -> None:
    for number in range(count - Repo.objects.count()):
        scenes.make_repo(f"repo-{number}")
    Repo.objects.update(onboarded_at=timezone.now() - timedelta(days=20))


def test_the_weekly_update_says_how_many_repos_of_fifty(operator):
    tell_deployment(14)
    onboard(25)
    found = operator.get("/api/v1/reports/weekly/", {"format": "markdown"})
    text = found.content.decode()
    assert "- Repos onboarded: 25 / 50 (50 %)\n" in text
    assert re.search(r"- Flows executed: \d+ total\n", text)
    assert re.search(r"- Success rate: [\d.]+ % \(target: ≥99%\) [✅❌]\n", text)
    assert "- Onboard the remaining 25 repos" in text
    assert "- Cycle time: " not in text
    assert "- Cycle time, days: ask a person (target: at most 10) ⚪" in text
    assert re.search(r"- \S+ generated \d+ blocks?\n", text)
    # The figures behind it follow, beside those of the week before.
    assert "## Trends" in text
    assert re.search(r"- Success rate: .* \(before: ", text)
    report = operator.get("/api/v1/reports/weekly/").json()
    assert (report["first"], report["last"]) == (
        (last_thursday() - timedelta(days=6)).isoformat(),
        last_thursday().isoformat(),
    )


def test_a_week_that_is_not_over_is_the_one_before(operator):
    day = last_thursday() - timedelta(days=1)
    found = operator.get("/api/v1/reports/weekly/", {"day": day.isoformat()}).json()
    assert found["last"] == (last_thursday() - timedelta(days=7)).isoformat()


@pytest.mark.parametrize(
    ("first", "last", "words"),
    [
        (date(2025, 12, 9), date(2025, 12, 13), "Dec 9-13"),
        (date(2026, 11, 27), date(2026, 12, 3), "Nov 27-Dec 3"),
    ],
)
def test_a_week_is_named_as_the_runbook_names_it(first, last, words):
    assert weekly._word_week(first, last) == words


def test_what_a_person_said_is_in_the_report(operator):
    answer("cycle-time", "12", last_thursday())
    answer("cycle-time", "8.5", last_thursday())
    answer("cycle-time", "99", last_thursday() + timedelta(days=1))
    answer("p1-incidents", "0", last_thursday())
    text = operator.get("/api/v1/reports/weekly/", {"format": "markdown"}).content.decode()
    assert "- Cycle time: 8.5d avg (target: <10d) ✅" in text
    assert "- P1 incidents this week: 0" in text


def open_incident(severity: str, day: date) -> None:
    Incident.objects.create(
        title="Flows fail",
        severity=severity,
        source="person",
        commander="SRE lead",
        detected_at=begin_day(day),
        opened_at=begin_day(day),
        opened_by="token:sre",
    )


def test_records_come_before_what_a_person_said(operator):
    tell_deployment(2)
    first, last = (today() - timedelta(days=back) for back in (2, 1))
    days = {"first": first.isoformat(), "last": last.isoformat()}

    def read_words(kind: str) -> dict[str, str]:
        sections = operator.get(f"/api/v1/reports/{kind}/", days).json()["sections"]
        return {line["key"]: line["words"] for section in sections for line in section["lines"]}

    answer("feedback", "4.9", last)
    answer("p1-incidents", "0", last)
    answer("certified-teams", "90", last)
    assert (read_words("soak")["feedback"], read_words("soak")["p1-incidents"]) == ("4.9", "0")
    assert read_words("rollout")["certified-teams"] == "90"
    # Answers of another day, and about the training, are other figures.
    records.add_feedback("orchestrator", "4", "3.5", "4.4", day=last.isoformat())
    records.add_feedback("orchestrator", "1", day=(last + timedelta(days=1)).isoformat())
    records.add_feedback("training", "5", day=last.isoformat())
    open_incident("P1", first)
    open_incident("P2", last)
    open_incident("P1", last + timedelta(days=1))
    soak = read_words("soak")
    assert (soak["feedback"], soak["p1-incidents"], soak["p2-incidents"]) == ("3.9", "1", "15")
    import_csv("modules", records.MODULES, actor="x")
    records.add_people(("ann", "sre", "none"), ("bob", "payments", "none"), ("eve", "", "none"))
    records.add_scores("ann", 80, 80, 80, 80, 80)
    # They were not known on the last day of the report.
    assert read_words("rollout")["certified-teams"] == "90"
    Trainee.objects.update(created_at=begin_day(first))
    assert read_words("rollout")["certified-teams"] == "0"
    Certificate.objects.update(issued_at=begin_day(last))
    assert read_words("rollout")["certified-teams"] == "50"


def test_answers_are_written_in_the_admin_and_name_who_gave_them(client):
    person = User.objects.create_superuser("pm", "pm@example.org", "not-used")
    client.force_login(person)
    given = {"key": "feedback", "day": "2026-11-30", "value": "4.2", "source": "survey of 30 people"}
    done = client.post("/admin/reports/figureanswer/add/", given)
    assert done.status_code == 302, done.content
    assert FigureAnswer.objects.get().person == "pm"
    for wrong in ({**given, "value": "-1"}, {**given, "key": "nothing"}, {**given, "source": ""}):
        assert client.post("/admin/reports/figureanswer/add/", wrong).status_code == 200
    assert FigureAnswer.objects.count() == 1


def test_the_soak_is_judged_by_every_exit_criterion_of_the_runbook(operator):
    tell_deployment(14)
    last = today() - timedelta(days=1)
    asked = {"first": (last - timedelta(days=13)).isoformat(), "last": last.isoformat()}
    report = operator.get("/api/v1/reports/soak/", asked).json()
    criteria = {line["title"]: line for line in report["sections"][0]["lines"]}
    assert report["sections"][0]["title"] == "Exit criteria"
    assert {TITLES[words] for words in FACTS["soak_criteria"]} <= set(criteria)
    assert all(line["target"] for line in criteria.values())
    assert criteria["P1 incidents"]["words"] == "ask a person"
    assert criteria["P1 incidents"]["met"] is None
    text = operator.get("/api/v1/reports/soak/", {**asked, "format": "markdown"}).content.decode()
    judged = [line["met"] for line in criteria.values()]
    assert f"{judged.count(True)} of 9 met, {judged.count(False)} missed, 2 open." in text


def test_the_rollout_is_judged_by_every_metric_of_the_runbook(operator):
    tell_deployment(3)
    last = (today() - timedelta(days=1)).isoformat()
    report = operator.get("/api/v1/reports/rollout/", {"first": last, "last": last}).json()
    judged = {line["title"] for section in report["sections"][:2] for line in section["lines"]}
    assert {TITLES[words] for words in FACTS["rollout_metrics"]} == judged


def test_the_evidence_package_has_the_four_files_of_the_runbook(operator):
    tell_deployment(5)
    first, last = (today() - timedelta(days=back) for back in (5, 1))
    asked = {"first": first.isoformat(), "last": last.isoformat()}
    files = {one["path"]: one["text"] for one in operator.get("/api/v1/reports/soak/", asked).json()["files"]}
    assert sorted(files) == FACTS["evidence_files"]
    results, cost, quality, incidents = (
        next(text for path, text in files.items() if words in path)
        for words in ("soak_results", "cost_analysis", "quality_metrics", "incidents.md")
    )
    assert "- P95 latency: " in results
    assert "- Return on spend: " in cost
    assert "Hours that a block takes by hand: 2" in cost
    assert "Source: launch runbook" in cost
    assert "- Mutation kill rate: " in quality
    assert "gate:mutation-failed" in incidents
    for text in files.values():
        assert f"From {first} 00:00 to {today()} 00:00 UTC. All repos." in text
    # A kind without a package has no files.
    assert operator.get("/api/v1/reports/daily/").json()["files"] == []


def test_a_phase_is_written_when_its_last_day_is_over(settings, operator):
    tell_deployment(4)
    last = today() - timedelta(days=1)
    settings.SOAK_DAYS = (last - timedelta(days=2), last)
    soak = REPORT_KINDS.get("soak")
    assert soak.find_period(last) == Period(*settings.SOAK_DAYS)
    assert soak.find_period(last - timedelta(days=1)) is None
    report = archive.write_report(soak, Period(*settings.SOAK_DAYS))
    assert report is not None
    assert operator.get("/api/v1/reports/soak/").json()["digest"] == report.digest
    assert archive.compare_report(Report.objects.get()) == []
    # While it runs, the days that are over are shown, and nothing is stored.
    settings.SOAK_DAYS = (last - timedelta(days=1), today() + timedelta(days=5))
    found = operator.get("/api/v1/reports/soak/").json()
    assert (found["last"], found["written_at"]) == (last.isoformat(), None)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({}, "SOAK_DAYS is not set"),
        ({"first": "2026-11-01"}, "is not a day"),
        ({"first": "2026-11-02", "last": "2026-11-01"}, "is after"),
        ({"first": "2024-11-02", "last": "2026-11-01"}, "more than 366 days"),
    ],
)
def test_days_that_cannot_be_reported_are_refused(operator, asked, words):
    found = operator.get("/api/v1/reports/soak/", asked)
    assert (found.status_code, found.json()["code"]) == (422, "reports:bad-period")
    assert words in found.json()["detail"]


def test_a_phase_that_has_not_begun_is_refused(operator, settings):
    settings.ROLLOUT_DAYS = (today(), today() + timedelta(days=9))
    found = operator.get("/api/v1/reports/rollout/").json()
    assert "no day of it is over" in found["detail"]


def test_repos_are_those_that_were_enabled_at_the_end_of_the_period():
    onboard(3)
    changed = scenes.make_repo("repo-0")
    yesterday = Period(today() - timedelta(days=1), today() - timedelta(days=1))
    daily = REPORT_KINDS.get("daily")

    def count(period: Period) -> float | None:
        return build_report(daily, period).find_line("repos").value

    assert count(yesterday) == 3
    repo_settings.set_value(changed, "enabled", False, actor="sre")
    assert count(yesterday) == 3
    assert count(Period(today(), today())) == 2


def test_every_kind_can_be_written_as_a_message_and_read_back():
    tell_deployment(3)
    period = Period(today() - timedelta(days=3), today() - timedelta(days=1))
    for name in REPORT_KINDS.names():
        document = build_report(REPORT_KINDS.get(name), period)
        assert json.loads(json.dumps(document.to_json())) == document.to_json()
        assert type(document).from_json(document.to_json()) == document
        message = texts.fill_message(document)
        assert message.subject.startswith("[Blocks Orchestrator] ")
        assert len(message.body) > 200
