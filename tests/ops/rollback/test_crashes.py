"""kill -9 at every step of a rollback and of its way back: it ends where it should, and is announced once."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from orchestrator import child_processes
from orchestrator.core import outbox
from orchestrator.core.models import OutgoingEvent
from orchestrator.dev import embedded
from orchestrator.dev.receivers import Receivers
from orchestrator.flows.models import Flow
from orchestrator.ops.incidents.models import Incident
from orchestrator.ops.notifications.models import Notification
from orchestrator.ops.rollback import enforcement, restoration
from orchestrator.ops.rollback.models import Announcement, Rollback, RollbackVote
from orchestrator.repos import registration
from orchestrator.repos.models import OnboardingPause, Repo, RepoHalt
from tests import scenes
from tests.databases import url_of_test_database
from tests.ops.rollback.crash_server import REFUSED, START

# Hundreds of processes, each of which connects.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
ROOT = Path(__file__).parents[3]
KILLED = -signal.SIGKILL
# More points than any operation has: what does not end is a defect.
MOST_POINTS = 200
PEOPLE = {"pm": "paula", "tl": "tom", "sre": "sam"}


class CrashServer:
    """The server in a process of its own, on the test's database and a broker without workers."""

    def __init__(self, broker: str, slack: str, log: Path) -> None:
        environment = os.environ | {
            "DATABASE_URL": url_of_test_database(),
            "REDIS_URL": broker,
            "SLACK_API_URL": slack,
            "SLACK_BOT_TOKEN": "xoxb-" + "1" * 12,
            "PILOT_REPOS": "compliance-service",
            "DJANGO_SETTINGS_MODULE": "orchestrator.settings",
            "PYTHONPATH": str(ROOT),
        }
        with log.open("wb") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-c", START],
                cwd=ROOT,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )

    def run(self, point: int, operation: str, *args: Any, **options: Any) -> int:
        """The exit code of the operation, killed at ``point`` where it has so many."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        request = {"point": point, "operation": operation, "args": args, "options": options}
        self.process.stdin.write(f"{json.dumps(request)}\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())

    def kill_along(self, done: Callable[[], bool], operation: str, *args: Any, **options: Any) -> int:
        """Run the operation again and again, killed one point later each time, until ``done``; that point.

        ``done`` looks at the database after each death, and says whether the operation was done before it.
        """
        for point in range(1, MOST_POINTS):
            code = self.run(point, operation, *args, **options)
            assert code in {0, KILLED}, f"{operation} ended with {code} at point {point}"
            finished = done()
            assert finished or code == KILLED, f"{operation} has ended and done nothing"
            if finished:
                return point
        raise AssertionError(f"{operation} has more than {MOST_POINTS} points")

    def stop(self) -> None:
        """End it."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.stdout.close()
        child_processes.stop(self.process)


@pytest.fixture
def receivers() -> Iterator[Receivers]:
    with Receivers() as running:
        yield running


@pytest.fixture
def server(transactional_db, receivers, settings, monkeypatch, tmp_path) -> Iterator[CrashServer]:
    """A crash server, and the pilot with two other repos, each with a flow."""
    settings.PILOT_REPOS = ("compliance-service",)
    monkeypatch.setattr("orchestrator.celery.app.send_task", lambda *_, **__: None)
    for name in ("compliance-service", "api-gateway", "auth-service"):
        scenes.make_flow(scenes.make_repo(name, team_lead=f"{name}@example.org"))
    with embedded.run_valkey() as broker:
        made = CrashServer(broker, f"{receivers.url}/slack/api", tmp_path / "log")
        try:
            yield made
        finally:
            made.stop()


def list_enabled() -> list[str]:
    return sorted(Repo.objects.filter(enabled=True).values_list("name", flat=True))


def begin_rollback(**options: Any) -> Rollback:
    made = enforcement.apply_rollback("pilot", reason="many flows fail", actor="alice", **options)
    enforcement.finish_rollback(made.pk)
    return made


def agree(rollback: Rollback, repo: str) -> None:
    for role, person in PEOPLE.items():
        restoration.cast_vote(rollback.pk, repo, role=role, verdict="go", actor=person)


def test_a_rollback_begins_whole_or_not_at_all_and_is_always_finished(server, monkeypatch):
    unfinished = Flow.objects.exclude(status="cancelled")

    def has_begun() -> bool:
        if Rollback.objects.exists():
            assert list_enabled() == ["compliance-service"]
            assert (RepoHalt.objects.count(), OnboardingPause.objects.count()) == (2, 1)
            assert Announcement.objects.count() == 3
            assert Incident.objects.get().entries.filter(text__contains=" begins: ").count() == 1
            return True
        assert list_enabled() == ["api-gateway", "auth-service", "compliance-service"]
        nothing = (RepoHalt, OnboardingPause, Incident, Announcement, Notification)
        assert not any(model.objects.exists() for model in nothing)
        assert not OutgoingEvent.objects.filter(subscriber__startswith="rollback.").exists()
        return False

    options = {"reason": "many flows fail", "actor": "alice", "flows": "cancel"}
    assert server.kill_along(has_begun, "apply", "pilot", **options) > 10
    rollback = Rollback.objects.get()
    assert rollback.status == "applying"
    # The process died between its commit and the message, which the dispatcher sends then.
    sent = list[Any]()
    monkeypatch.setattr("orchestrator.celery.app.send_task", lambda *task, **how: sent.append((task, how)))
    outbox.deliver_due_events()
    assert [how["args"] for task, how in sent if task == (enforcement.TASK,)] == [(rollback.pk,)]

    def is_in_force() -> bool:
        assert list_enabled() == ["compliance-service"]
        rollback.refresh_from_db()
        assert rollback.status in {"applying", "in_force"}
        if rollback.status == "applying":
            assert Announcement.objects.filter(template="rollback_complete").count() == 0
            return False
        assert list(unfinished.values_list("repo__name", flat=True)) == ["compliance-service"]
        return True

    assert server.kill_along(is_in_force, "finish", rollback.pk) > 10
    # Once more, as a second message does.
    assert server.run(0, "finish", rollback.pk) == 0
    assert Announcement.objects.filter(template="rollback_complete").count() == 1
    assert Incident.objects.get().entries.filter(text__contains="is in force").count() == 1


def test_an_announcement_is_sent_once(server, receivers):
    rollback = begin_rollback()
    draft = rollback.announcements.filter(notifier="slack").earliest("id")

    def is_decided() -> bool:
        draft.refresh_from_db()
        written = Notification.objects.filter(body=draft.body).count()
        assert (draft.status, written) in {("draft", 0), ("sent", 1)}
        return draft.status == "sent"

    assert server.kill_along(is_decided, "send", draft.pk, actor="bob") > 3
    # The person, who saw no answer, tries again.
    assert server.run(0, "send", draft.pk, actor="bob") == REFUSED
    message = Notification.objects.get(body=draft.body)
    told = receivers.received.slack_messages

    def is_sent() -> bool:
        message.refresh_from_db()
        assert [one["text"] for one in told] in ([], [draft.body])
        if message.status == "sent":
            return True
        # The time after which a worker is taken for dead is over.
        begun = Notification.objects.filter(pk=message.pk, status="sending")
        begun.update(sending_since=timezone.now() - timedelta(hours=1))
        return False

    assert server.kill_along(is_sent, "deliver", message.pk) > 3
    assert server.run(0, "deliver", message.pk) == 0
    assert [one["text"] for one in told] == [draft.body]
    texts = Incident.objects.get().entries.filter(text__startswith="Announced to ")
    assert texts.count() == 1


def test_a_repo_comes_back_whole_or_not_at_all(server):
    rollback = begin_rollback()
    vote = {"role": "pm", "verdict": "go", "actor": "paula"}
    assert server.kill_along(RollbackVote.objects.exists, "vote", rollback.pk, "api-gateway", **vote) > 3
    for name in ("api-gateway", "auth-service"):
        agree(rollback, name)

    def is_back(name: str) -> bool:
        row = rollback.repos.get(repo__name=name)
        is_on = name in list_enabled()
        mails = Announcement.objects.filter(template="repo_enabled_again", target=f"{name}@example.org")
        assert (row.restored_at is not None, RepoHalt.objects.filter(repo=row.repo).exists()) == (
            is_on,
            not is_on,
        )
        assert mails.count() == is_on
        rollback.refresh_from_db()
        is_over = rollback.status == "ended"
        assert is_over == (len(list_enabled()) == 3) == registration.is_onboarding_open()
        return is_on

    for name in ("api-gateway", "auth-service"):
        points = server.kill_along(lambda name=name: is_back(name), "restore", rollback.pk, name, actor="sam")
        assert points > 5
        assert server.run(0, "restore", rollback.pk, name, actor="sam") == REFUSED
    assert Incident.objects.get().entries.filter(text__contains="is enabled again").count() == 2
    assert Incident.objects.get().entries.filter(text__contains="is over").count() == 1
    # As the message that was published with it says, once.
    ended = OutgoingEvent.objects.filter(payload__topic="rollback.ended")
    assert ended.count() == 1
