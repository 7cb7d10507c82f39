"""kill -9 of a real worker at every place of every step, and a deploy in the middle: the same end."""

import os
import signal
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import pytest
from celery import Celery
from django.db import connection

from onboarding import engine, schedule
from onboarding.engine import dispatch
from onboarding.models import OnboardingRequest, OnboardingStep
from onboarding.step_registry import CHECKS, PROVISIONING
from orchestrator.celery import app
from orchestrator.repos.models import Repo
from tests.flows.engine.stack import Stack, running, until
from tests.onboarding import counted_steps
from tests.onboarding.steps import ask_for

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(600)]
MADE = ("repo_exists", "secrets", "files", "dashboard")


class CountedStore:
    """The far side of the counting steps."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("objects", "kill"):
            (folder / name).mkdir(parents=True)
        (folder / "calls").touch()

    def kill_at(self, *places: str) -> None:
        for place in places:
            (self.folder / "kill" / place).touch()

    def list_objects(self) -> Counter[str]:
        """How often each object is there, by its name without its number."""
        return Counter(path.name.rpartition("-")[0] for path in (self.folder / "objects").iterdir())

    def list_kills_left(self) -> list[str]:
        return sorted(path.name for path in (self.folder / "kill").iterdir())

    def count_calls(self) -> Counter[str]:
        return Counter((self.folder / "calls").read_text(encoding="utf-8").split())

    def read_worker(self) -> int:
        return int((self.folder / "worker").read_text(encoding="utf-8"))

    def slow_down(self, seconds: float) -> None:
        (self.folder / "seconds").write_text(str(seconds), encoding="utf-8")


@pytest.fixture
def store(tmp_path) -> CountedStore:
    return CountedStore(tmp_path / "store")


@pytest.fixture
def stack(tmp_path, store, settings, monkeypatch) -> Iterator[Stack]:
    """A broker and one worker; the look of the dispatcher is this process's."""
    logs = tmp_path / "logs"
    logs.mkdir()
    many = {"ENGINE_MAX_CRASHES": "100", "COUNTED_STORE": str(store.folder), "ENGINE_PLUGINS": ""}
    settings.ENGINE_MAX_CRASHES, settings.ENGINE_BACKOFF_SECONDS = 100, 0
    for table in (CHECKS, PROVISIONING):
        monkeypatch.setattr(table, "_members", dict(table._members))
        monkeypatch.setattr(table, "_loaded", dict(table._loaded))
    counted_steps.install_steps()
    with running(logs, many) as started:
        settings.REDIS_URL = started.url
        sender = Celery("sender", broker=started.url, set_as_current=False)
        sender.conf.task_queues = app.conf.task_queues
        with patch.object(dispatch, "app", sender):
            started.start("worker", sys.executable, "-m", "tests.onboarding.counted_worker")
            until((store.folder / "worker").exists, "the worker")
            with Looking():
                yield started
        sender.close()


class Looking:
    """The dispatcher's look, several times a second instead of every few."""

    def __enter__(self) -> None:
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def _look(self) -> None:
        while not self._over.wait(0.2):
            schedule.look_at_what_is_due()
        connection.close()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()


def reach(request: OnboardingRequest, status: str) -> None:
    until(lambda: OnboardingRequest.objects.filter(pk=request.pk, status=status).exists(), status)


def describe_end(request: OnboardingRequest) -> list[tuple[str, str, str, dict[str, str]]]:
    """The end state of every step, without what differs by nature: times, attempts, references."""
    rows = OnboardingStep.objects.filter(request=request).order_by("position")
    return [(row.kind, row.name, row.status, _leave_out(row.outputs, request)) for row in rows]


def _leave_out(outputs: dict[str, str], request: OnboardingRequest) -> dict[str, str]:
    names = (request.reference, request.repo_name)
    return {key: value.replace(names[0], "").replace(names[1], "") for key, value in outputs.items()}


def begin(name: str) -> OnboardingRequest:
    request = ask_for(name)
    engine.approve(request.pk, actor="lead@example.org")
    return request


def test_killed_at_every_place_of_a_step_and_of_its_undo(stack, store):
    check_kills(store, ("secrets",))


@pytest.mark.slow
def test_killed_at_every_place_of_every_step(stack, store):
    check_kills(store, MADE)


def check_kills(store: CountedStore, names: tuple[str, ...]) -> None:
    """Each object exists once and the end is the same, no matter where the worker was killed."""
    smooth = begin("smooth")
    reach(smooth, "ready")
    places = [f"{name}-{point}" for name in names for point in counted_steps.POINTS]
    if names == MADE:
        ours = ("lead_approved", "registration")
        places += [f"{name}-{point}" for name in ours for point in ("end", "after")]
    store.kill_at(*places)
    killed = begin("killed")
    reach(killed, "ready")
    assert store.list_kills_left() == [], "every one of them was reached"
    assert store.list_objects() == {f"{one.reference}-{name}": 1 for one in (smooth, killed) for name in MADE}
    assert describe_end(killed) == describe_end(smooth)
    assert Repo.objects.filter(name="killed").count() == 1
    # Once for the smooth run; of the killed one a death at the start leaves no call, one before the answer is
    # written costs another, and one after it costs none: what has passed is not run again.
    assert store.count_calls() == {name: 2 + 2 * (name in names) for name in MADE}

    undone = [name for name in names if name != "repo_exists"]
    store.kill_at(*(f"undo-{name}-{point}" for name in undone for point in counted_steps.POINTS))
    engine.offboard(killed.pk, actor="kim")
    reach(killed, "offboarded")
    assert store.list_kills_left() == []
    # A check is not undone: those of the product make nothing. What is the other request's stays.
    left = {f"{smooth.reference}-{name}": 1 for name in MADE} | {f"{killed.reference}-repo_exists": 1}
    assert store.list_objects() == left


def test_a_deploy_in_the_middle_of_a_step(stack, store):
    store.slow_down(1.0)
    request = begin("deployed")
    until(lambda: OnboardingStep.objects.filter(name="secrets", status="running").exists(), "the step")
    old = store.read_worker()
    # What Kubernetes does: the old worker is asked to end, and a new one is there.
    os.kill(old, signal.SIGTERM)
    reach(request, "ready")
    assert store.read_worker() != old
    assert store.list_objects() == {f"{request.reference}-{name}": 1 for name in MADE}


def test_a_broker_that_loses_everything_costs_a_look(stack, store):
    requests = [begin(f"repo-{number}") for number in range(3)]
    stack.redis.flushall()
    for request in requests:
        reach(request, "ready")
    assert set(store.list_objects().values()) == {1}
