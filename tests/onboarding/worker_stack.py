"""A real worker of onboarding, with a broker, for tests that kill it; and how its work has ended."""

import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

from celery import Celery
from django.db import connection

from onboarding import schedule
from onboarding.engine import dispatch
from onboarding.models import OnboardingRequest, OnboardingStep
from orchestrator.celery import app
from tests.flows.engine.stack import Stack, running, until


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


@contextmanager
def running_worker(folder: Path, store: CountedStore, settings: Any, **environment: str) -> Iterator[Stack]:
    """A broker and one worker; the look of the dispatcher is this process's."""
    many = {"ENGINE_MAX_CRASHES": "100", "COUNTED_STORE": str(store.folder), "ENGINE_PLUGINS": ""}
    settings.ENGINE_MAX_CRASHES, settings.ENGINE_BACKOFF_SECONDS = 100, 0
    folder.mkdir()
    with running(folder, many | environment) as started:
        settings.REDIS_URL = started.url
        sender = Celery("sender", broker=started.url, set_as_current=False)
        sender.conf.task_queues = app.conf.task_queues
        with patch.object(dispatch, "app", sender):
            started.start("worker", sys.executable, "-m", "tests.onboarding.counted_worker")
            until((store.folder / "worker").exists, "the worker")
            # It waits for messages: what is measured from here on is not its start.
            until(lambda: "brpop" in {one["cmd"] for one in started.redis.client_list()}, "the worker's wait")
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
    return {key: str(value).replace(names[0], "").replace(names[1], "") for key, value in outputs.items()}
