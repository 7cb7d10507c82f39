"""Reports that are kept: written by the schedule, once, sent to those who subscribed, never changed."""

from datetime import date, timedelta
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.db import Error, transaction
from django.utils import timezone

from orchestrator.core import database
from orchestrator.flows.scheduler.dispatcher import Dispatcher
from orchestrator.ops.dashboards.period import Period
from orchestrator.ops.notifications.models import Notification, Subscription, Topic
from orchestrator.ops.reports import archive, schedule
from orchestrator.ops.reports.models import Report
from orchestrator.ops.reports.report_kind import REPORT_KINDS
from orchestrator.ops.rollups import days
from orchestrator.ops.rollups.models import FlowDay, RollupDay
from orchestrator.repos import repo_settings, tokens
from tests import scenes
from tests.ops.history import move_back, tell_history

pytestmark = pytest.mark.django_db
DAILY = REPORT_KINDS.get("daily")


def find_daily() -> Report:
    """The daily report of all repos; the week that ended before has one of its own."""
    return Report.objects.get(kind="daily", repo="")


def list_due_days() -> list[date]:
    return [due.period.last for due in archive.list_due() if due.kind == "daily"]


def yesterday() -> date:
    return timezone.now().date() - timedelta(days=1)


@pytest.fixture
def counted() -> None:
    """Some days of flows, counted as two hours after each day."""
    tell_history()
    days.count_due_days()
    # The clock of a test may say that yesterday ended only an hour ago.
    for row in RollupDay.objects.all():
        late = row.through + timedelta(hours=3)
        RollupDay.objects.filter(day=row.day).update(counted_at=max(row.counted_at, late))


def subscribe(**fields: Any) -> Subscription:
    fields = {"notifier": "slack", "target": "#ops-alerts", "topics": ["report.daily"]} | fields
    return Subscription.objects.create(**fields)


def test_the_schedule_writes_yesterday_once_and_sends_it(counted):
    subscribe()
    subscribe(notifier="email", target="lead@example.org")
    subscribe(target="#not-asked", topics=["flow.failed"])
    # The week that ended last is due, too.
    assert archive.write_due_reports() == 2
    report = find_daily()
    assert (report.first, report.last, report.repo) == (yesterday(), yesterday(), "")
    sent = {row.target: row for row in Notification.objects.all()}
    assert set(sent) == {"#ops-alerts", "lead@example.org"}
    subject = f"[Blocks Orchestrator] Daily report: {yesterday()} (all repos)"
    assert sent["lead@example.org"].subject == subject
    assert "- Success rate: " in sent["#ops-alerts"].body
    assert archive.write_due_reports() == 0
    assert archive.write_report(DAILY, Period(yesterday(), yesterday())) is None
    assert (Report.objects.count(), Notification.objects.count()) == (2, 2)


def test_days_that_nobody_wrote_are_made_up_for(counted):
    day = yesterday() - timedelta(days=3)
    archive.write_report(DAILY, Period(day, day))
    assert list_due_days() == [yesterday() - timedelta(days=back) for back in (2, 1, 0)]
    archive.write_due_reports()
    assert Report.objects.filter(kind="daily").count() == 4


def test_a_day_is_reported_when_it_was_counted_two_hours_after_its_end(counted):
    row = RollupDay.objects.get(day=yesterday())
    RollupDay.objects.filter(day=row.day).update(counted_at=row.through + timedelta(minutes=20))
    assert list_due_days() == [yesterday() - timedelta(days=1)]


def test_the_dispatcher_asks_a_worker_to_write(counted, monkeypatch):
    sent = []
    monkeypatch.setattr(schedule.app, "send_task", lambda name, **options: sent.append((name, options)))
    dispatcher = Dispatcher()
    for _ in range(2):
        dispatcher.tick()
    assert (schedule.TASK, {"queue": "control", "retry": False}) in sent
    archive.write_due_reports()
    sent.clear()
    schedule.request_due_reports()
    assert sent == []


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE reports_report SET repo = 'other'",
        "UPDATE reports_report SET content = '{}'",
        "DELETE FROM reports_report",
    ],
)
def test_nobody_changes_a_report_not_even_by_hand(counted, change):
    archive.write_due_reports()
    with pytest.raises(Error, match="a report stays as it was written"), transaction.atomic():
        database.fetch_rows(change)
    report = find_daily()
    assert archive.compute_digest(report.content) == report.digest


def test_a_report_that_is_made_again_is_the_same(counted, settings, capsys):
    archive.write_due_reports()
    report = find_daily()
    assert archive.compare_report(report) == []
    # Later changes do not reach back to that day: other assumptions, and a repo that was switched off.
    settings.ROI_HOURS_PER_BLOCK = settings.ROI_HOURS_PER_BLOCK * 2
    repo_settings.set_value(scenes.make_repo(), "enabled", False, actor="sre")
    days.count_days_again(yesterday(), yesterday())
    assert archive.compare_report(report) == []
    call_command("write_reports", "--kind", "daily", "--from", yesterday().isoformat(), "--compare")
    assert capsys.readouterr().out == "1 reports compared, 0 differ\n"


def test_what_differs_is_named(counted, capsys):
    archive.write_due_reports()
    # Soon after midnight, more of the history is of yesterday.
    written = find_daily().content["sections"][0]["lines"][0]["value"]
    assert written < 98
    FlowDay.objects.filter(day=yesterday(), outcome="passed").update(flows=70)
    with pytest.raises(CommandError, match="same result"):
        call_command("write_reports", "--kind", "daily", "--from", yesterday().isoformat(), "--compare")
    said = capsys.readouterr().out
    assert f"/sections/0/lines/0/value was {written}, is 98." in said
    assert said.endswith("1 reports compared, 1 differ\n")


def test_a_stored_report_is_what_rest_answers(counted, client):
    archive.write_due_reports()
    report = find_daily()
    FlowDay.objects.filter(day=yesterday(), outcome="passed").update(flows=70)
    secret = tokens.create_token("sre")[1]
    ask = lambda day: client.get(  # noqa: E731
        f"/api/v1/reports/daily/?day={day}", headers={"Authorization": f"Bearer {secret}"}
    ).json()
    found = ask(yesterday())
    assert found["digest"] == report.digest
    assert found["written_at"] is not None
    assert found["sections"] == report.content["sections"]
    before = ask(yesterday() - timedelta(days=1))
    assert (before["written_at"], before["digest"]) == (None, "")


def test_a_repo_is_sent_its_own_figures(counted):
    auth = scenes.make_repo("auth-service")
    subscribe(repo=auth, target="#auth")
    subscribe(repo=auth, notifier="webhook", target="https://ci.example.org/hook")
    archive.write_due_reports()
    report = Report.objects.get(repo="auth-service")
    assert report.content["repo"] == "auth-service"
    sent = {row.target: row for row in Notification.objects.all()}
    assert set(sent) == {"#auth", "https://ci.example.org/hook"}
    assert "The repo auth-service." in sent["#auth"].body
    hook = sent["https://ci.example.org/hook"]
    assert hook.subject == "report.daily"
    assert '"type": "report.daily"' in hook.body


def test_topics_of_all_repos_cannot_be_wished_for_one():
    wish = Subscription(repo=scenes.make_repo(), notifier="slack", target="#a", topics=["report.weekly"])
    with pytest.raises(ValidationError, match=r"One repo never hears of report\.weekly;"):
        wish.clean()
    for name in REPORT_KINDS.names():
        assert REPORT_KINDS.get(name).topic in Topic.values


def test_past_days_are_written_by_hand(counted, capsys):
    first = yesterday() - timedelta(days=2)
    days_of = ("--from", first.isoformat(), "--to", yesterday().isoformat())
    call_command("write_reports", "--kind", "daily", *days_of)
    assert capsys.readouterr().out == "3 reports written\n"
    assert list_due_days() == []
    call_command("write_reports")
    # The week that ended last.
    assert capsys.readouterr().out == "1 reports written\n"
    with pytest.raises(CommandError, match="is over"):
        call_command("write_reports", "--from", timezone.now().date().isoformat())
    with pytest.raises(CommandError, match="--from"):
        call_command("write_reports", "--compare")


def test_a_flow_that_ends_later_is_in_another_day(counted):
    archive.write_due_reports()
    move_back(scenes.run_through(scenes.make_flow()), 0)
    assert archive.compare_report(find_daily()) == []
