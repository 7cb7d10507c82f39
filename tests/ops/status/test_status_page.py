"""The status page and what is behind it: maintenance, incidents, history, news, mails, the kept copy."""

import os
import re
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest.mock import patch
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.core.management import call_command
from django.db import OperationalError, connection
from django.test import Client
from django.utils import timezone

from orchestrator.dev import embedded
from orchestrator.flows.worker import presence
from orchestrator.ops.incidents import handling, timeline
from orchestrator.ops.incidents.models import EntryKind, Incident
from orchestrator.ops.notifications import delivery
from orchestrator.ops.notifications.models import Notification, Severity
from orchestrator.ops.status import history, kept_copy, news, renewal, subscription
from orchestrator.ops.status.models import Maintenance, PartDay, StatusNews, StatusReader
from orchestrator.ops.status.parts import Level, ServicePart
from orchestrator.queues import Queue
from tests import scenes

NOW = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)
WORKS = "<h1>Everything works</h1>"
KEPT_UNDER = kept_copy._KEY
ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def calm(monkeypatch, settings) -> None:
    """A worker for each queue, mails with links, no other test's copy."""
    monkeypatch.setattr(presence, "KEY", f"{presence.KEY}:{uuid4()}")
    # The workers beat once: on a busy machine a test may take longer than a silence of the real ones.
    monkeypatch.setattr(presence, "SILENT_SECONDS", 600.0)
    monkeypatch.setattr(kept_copy, "_KEY", f"status:{uuid4()}")
    settings.PUBLIC_URL = "https://blocks.example.org"
    settings.EMAIL_HOST = "127.0.0.1"
    monkeypatch.setattr("orchestrator.celery.app.send_task", lambda *_, **__: None)
    for queue in Queue:
        presence.Presence([queue.value]).beat()


def open_incident(title: str, at: datetime, severity: str = "P2") -> Incident:
    """An incident at a time of the past, as its own room writes it."""
    return Incident.objects.create(
        title=title,
        severity=severity,
        source="person",
        commander="SRE lead",
        detected_at=at,
        opened_at=at,
        opened_by="token:sre",
    )


def end_incident(incident: Incident, at: datetime) -> None:
    with patch("django.utils.timezone.now", return_value=at):
        handling.resolve(incident.pk, actor="token:sre")


def write_update(incident: Incident, text: str, at: datetime) -> None:
    timeline.add_entry(incident, EntryKind.NOTE, "Ann guesses that it is a full disk.", actor="ann", at=at)
    timeline.add_entry(incident, EntryKind.UPDATE, text, actor="token:sre", at=at)


def plan(begin: datetime, hours: float = 2, **more) -> Maintenance:
    return Maintenance.objects.create(
        title="New database", starts_at=begin, ends_at=begin + timedelta(hours=hours), **more
    )


def read_page(path: str = "/status/") -> str:
    answer = Client().get(path)
    assert answer.status_code == 200
    return answer.content.decode()


def send_all() -> list[str]:
    """Send every mail that waits; to whom they went."""
    mail.outbox.clear()
    for message in Notification.objects.filter(status="waiting").order_by("id"):
        delivery.deliver(message.pk)
    return [address for message in mail.outbox for address in message.to]


def test_everything_works_only_where_nothing_is_open(db):
    assert WORKS in read_page()
    incident = open_incident("Flows wait", timezone.now())
    text = read_page()
    assert WORKS not in text
    assert "P2: Flows wait" in text
    end_incident(incident, timezone.now())
    assert WORKS in read_page()
    scenes.run_through(scenes.make_flow(), gates_fail=True)
    assert WORKS not in read_page()


def test_several_incidents_with_their_updates(db):
    hour_ago = timezone.now() - timedelta(hours=1)
    # Open for a month: it is shown for as long as it is not over.
    open_incident("The budget is used up", hour_ago - timedelta(days=30), "P3")
    worst = open_incident("No flow passes", hour_ago, "P1")
    write_update(worst, "<script>The provider is slow.</script>", hour_ago)
    # Over now and begun long before the two weeks that are shown.
    slow = open_incident("It was slow", hour_ago - timedelta(days=20))
    end_incident(slow, hour_ago)
    end_incident(open_incident("Forgotten", hour_ago - timedelta(days=40)), hour_ago - timedelta(days=39))
    text = read_page()
    assert text.index("P1: No flow passes") < text.index("P3: The budget is used up")
    assert "&lt;script&gt;The provider is slow." in text
    begun = f"{hour_ago - timedelta(days=20):%Y-%m-%d %H:%M} UTC"
    assert f"P2: It was slow, {begun} to {hour_ago:%Y-%m-%d %H:%M} UTC" in text
    # Notes may hold names and guesses: everybody sees what was written for everybody.
    assert "full disk" not in text
    assert "Forgotten" not in text


def test_maintenance_is_shown_and_mutes_p2_and_p3(db):
    running, later = plan(timezone.now() - timedelta(minutes=5)), plan(timezone.now() + timedelta(days=3))
    plan(timezone.now() + timedelta(days=4), cancelled_at=timezone.now())
    text = read_page()
    assert "<h1>Maintenance is under way</h1>" in text
    assert text.count("New database") == 2
    severities = (Severity.P1, Severity.P2, Severity.P3, Severity.P4)
    written = [
        delivery.notify("email", "a@example.org", "x", subject=one.value, severity=one) for one in severities
    ]
    send_all()
    assert [message.subject for message in mail.outbox] == ["P1", "P4"]
    for message in written[1:3]:
        message.refresh_from_db()
        assert (message.status, message.not_before, message.attempts) == ("waiting", running.ends_at, 0)
    # Called off: what waits is still sent at the time that was set, and nothing new waits.
    Maintenance.objects.update(cancelled_at=timezone.now())
    Notification.objects.update(not_before=None)
    assert len(send_all()) == 2
    assert later.title in str(later)


def test_maintenance_has_a_bound(db, client):
    client.force_login(User.objects.create_superuser("sre", "sre@example.org", "pw"))
    form = {"title": "x", "text": "", "starts_at_0": "2026-12-01", "starts_at_1": "10:00"}
    address = "/admin/status/maintenance/add/"
    page = client.post(address, form | {"ends_at_0": "2026-12-03", "ends_at_1": "10:00"})
    assert "at most 24 hours" in page.content.decode()
    client.post(address, form | {"ends_at_0": "2026-12-01", "ends_at_1": "12:00"})
    made = Maintenance.objects.get()
    assert made.created_by == "sre"
    body = {"action": "call_off", "_selected_action": [made.pk], "index": "0"}
    Maintenance.objects.update(starts_at=timezone.now(), ends_at=timezone.now() + timedelta(hours=1))
    client.post("/admin/status/maintenance/", body)
    made.refresh_from_db()
    assert made.cancelled_at is not None
    for model in ("statusnews", "statusreader", "maintenance"):
        assert client.get(f"/admin/status/{model}/").status_code == 200


def test_each_minute_counts_once_and_a_day_is_as_bad_as_its_worst(db, monkeypatch):
    level = [Level.OK]
    monkeypatch.setattr(history, "check_parts", lambda _: [("Core", [ServicePart("API", level[0])])])
    for second, now in ((0, Level.OK), (10, Level.DOWN), (60, Level.DEGRADED), (120, Level.DOWN)):
        level[0] = now
        history.take_sample(NOW + timedelta(seconds=second))
    row = PartDay.objects.get()
    # The second look of the first minute, as of a task that comes twice, adds nothing.
    assert (row.minutes, row.degraded, row.down) == (3, 1, 1)
    PartDay.objects.create(day=NOW.date() - timedelta(days=89), part="Core", minutes=5, looked_at=NOW)
    PartDay.objects.create(day=NOW.date() - timedelta(days=90), part="Core", minutes=5, looked_at=NOW)
    core = history.read_history(NOW.date())[0]
    assert [len(core.days), core.count(Level.OK), core.count(Level.DOWN), core.count(None)] == [90, 1, 1, 88]
    assert core.days[-1].words == "1 min down, 1 min degraded; 3 min looked at"


def test_news_is_written_and_mailed_once(db):
    for name, confirmed in (("a", NOW), ("b", NOW), ("silent", None)):
        StatusReader.objects.create(email=f"{name}@example.org", confirmed_at=confirmed)
    incident = open_incident("Flows wait", NOW - timedelta(minutes=5))
    write_update(incident, "It is the provider.", NOW)
    assert news.write_news(NOW) == 2
    assert news.write_news(NOW + timedelta(minutes=1)) == 0
    assert sorted(send_all()) == ["a@example.org"] * 2 + ["b@example.org"] * 2
    # Nobody sees the address of another reader.
    assert all(len(message.recipients()) == 1 for message in mail.outbox)
    end_incident(incident, NOW + timedelta(minutes=9))
    assert news.write_news(NOW + timedelta(minutes=10)) == 1
    # What is old is told, and wakes nobody.
    Notification.objects.all().delete()
    open_incident("Long ago", NOW - timedelta(days=2), "P1")
    assert news.write_news(NOW) == 1
    assert not Notification.objects.exists()
    feed = read_page("/status/feed.atom")
    assert feed.count("<entry>") == 4
    assert f"Incident {incident.pk}, P2: Flows wait" in feed
    assert "https://blocks.example.org/status/" in feed


def test_two_workers_write_news_once(transactional_db):
    StatusReader.objects.create(email="a@example.org", confirmed_at=NOW)
    open_incident("Flows wait", NOW)

    def run() -> None:
        news.write_news(NOW)
        connection.close()

    workers = [threading.Thread(target=run) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert (StatusNews.objects.count(), Notification.objects.count()) == (1, 1)


def test_a_mail_is_asked_for_confirmed_and_left_by_one_click(db):
    client = Client(enforce_csrf_checks=True)
    token = re.search(r'csrfmiddlewaretoken" value="(\w+)"', client.get("/status/").content.decode())[1]
    body = {"email": "Ann@Example.org", "csrfmiddlewaretoken": token}
    assert "Look into your mail" in client.post("/status/subscribe/", body).content.decode()
    assert send_all() == ["ann@example.org"]
    confirm = re.search(r"https://blocks\.example\.org(/status/confirm/\S+)", str(mail.outbox[0].body))[1]
    # Programs that open links confirm nothing.
    assert "Yes, send me mails" in read_page(confirm)
    assert StatusReader.objects.get().confirmed_at is None
    assert "You get the news" in Client().post(confirm).content.decode()
    open_incident("Flows wait", NOW)
    news.write_news(NOW)
    assert send_all() == ["ann@example.org"]
    headers = mail.outbox[0].extra_headers
    assert headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    leave = headers["List-Unsubscribe"].strip("<>").removeprefix("https://blocks.example.org")
    assert leave in mail.outbox[0].body
    open_incident("Again", NOW)
    news.write_news(NOW)
    # As a mail program does: without a cookie, and without a form.
    answer = Client(enforce_csrf_checks=True).post(leave, {"List-Unsubscribe": "One-Click"})
    assert answer.status_code == 200
    assert not StatusReader.objects.exists()
    # The mail that was on its way is not sent.
    assert send_all() == []
    assert "not valid any longer" in Client().post(confirm).content.decode()


def test_nobody_learns_who_reads_and_nobody_can_flood(db):
    pages = set()
    for _ in range(3):
        for address in ("new@example.org", "known@example.org", "no address"):
            answer = Client().post("/status/subscribe/", {"email": address})
            pages.add(answer.content)
        StatusReader.objects.filter(email="known@example.org").update(confirmed_at=timezone.now())
    assert len(pages) == 1
    assert sorted(send_all()) == ["known@example.org", "new@example.org"]
    for number in range(subscription.MOST_ASKED + 5):
        subscription.subscribe(f"a{number}@example.org", timezone.now())
    assert StatusReader.objects.count() == subscription.MOST_ASKED
    later = timezone.now() + subscription.ASKED_AGAIN + timedelta(minutes=1)
    assert subscription.subscribe("new@example.org", later)
    subscription.forget_silent(later + subscription.FORGOTTEN + timedelta(minutes=1))
    assert [reader.email for reader in StatusReader.objects.all()] == ["known@example.org"]


def test_without_a_public_address_no_mails_are_offered(db, settings):
    assert "Send me mails" in read_page()
    settings.PUBLIC_URL = ""
    assert "Send me mails" not in read_page()
    assert not subscription.subscribe("a@example.org", timezone.now())


@pytest.mark.slow
def test_a_process_without_a_database_writes_the_copy(db, settings, monkeypatch, tmp_path):
    # On a broker of its own, under the key that the process knows.
    monkeypatch.setattr(kept_copy, "_KEY", KEPT_UNDER)
    open_incident("No flow passes", timezone.now(), "P1")
    with embedded.run_valkey() as broker:
        settings.REDIS_URL = broker
        call_command("write_status_page", tmp_path)
        feed = (tmp_path / "feed.atom").read_text()
        kept_copy.keep(timezone.now())
        # Nobody listens on port 1.
        away = {"DATABASE_URL": "postgres://nobody@127.0.0.1:1/none", "REDIS_URL": broker}
        command = [sys.executable, "manage.py", "write_status_page", str(tmp_path)]
        done = subprocess.run(
            command, cwd=ROOT, env=os.environ | away, capture_output=True, text=True, check=False
        )
    assert done.returncode == 0, done.stderr
    assert "The feed is the old one: the database is away." in done.stderr
    text = (tmp_path / "index.html").read_text()
    assert "<h1>Something is down</h1>" in text
    assert "The database is away. What is below the parts was kept at" in text
    assert "P1: No flow passes" in text
    assert (tmp_path / "feed.atom").read_text() == feed


def take_database_away(monkeypatch) -> None:
    def fail(*_, **__):
        raise OperationalError("connection refused")

    monkeypatch.setattr("orchestrator.core.database.fetch_row", fail)
    monkeypatch.setattr("orchestrator.core.database.fetch_rows", fail)
    monkeypatch.setattr("django.db.models.sql.compiler.SQLCompiler.execute_sql", fail)


def test_the_page_is_there_while_the_database_is_away(db, monkeypatch, tmp_path):
    open_incident("No flow passes", timezone.now(), "P1")
    renewal.renew_status()
    call_command("write_status_page", tmp_path)
    take_database_away(monkeypatch)
    text = read_page()
    assert "<h1>Something is down</h1>" in text
    assert "The database is away. What is below the parts was kept at" in text
    assert "P1: No flow passes" in text
    assert "unreachable: OperationalError" in text
    call_command("write_status_page", tmp_path)
    copy = Path(tmp_path / "index.html").read_text()
    assert "<h1>Something is down</h1>" in copy
    assert "P1: No flow passes" in copy
    # Nothing in the copy leads to the service that is away.
    assert not re.search(r'(?:href|src)="(?:/|http)', copy)
    assert "<entry>" in (tmp_path / "feed.atom").read_text()
    assert (tmp_path / "site.css").stat().st_size > 1000
