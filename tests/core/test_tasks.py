"""The base of every task: sent after the commit, counted, logged with its context."""

from typing import Any

import pytest
import structlog
from celery import Task
from celery.exceptions import Ignore
from django.db import transaction

from orchestrator.celery import app
from orchestrator.core.tasks import TASK_RUNS, OrchestratorTask
from orchestrator.flows.worker import tasks


def count_runs(task: Any, outcome: str) -> float:
    """How often ``task`` has ended so in this process."""
    return TASK_RUNS.labels(task.name, outcome)._value.get()


@pytest.fixture
def make_task():
    """Makes tasks of a function, and takes them out of the application again."""
    made = []

    def make(function):
        made.append(app.task(name=f"tests.{function.__name__}")(function))
        return made[-1]

    yield make
    for task in made:
        app.tasks.pop(task.name)


@pytest.fixture
def sent(monkeypatch) -> list[tuple]:
    """The arguments of each message, in place of a broker."""
    messages = []
    monkeypatch.setattr(Task, "apply_async", lambda self, args=(), *more, **options: messages.append(args))
    return messages


def test_the_tasks_on_the_wire_keep_their_names_and_have_the_base():
    own = {name: task for name, task in app.tasks.items() if not name.startswith("celery.")}
    assert {"flows.run_stage", "flows.replay_gates", "flows.replay_flow"} <= set(own)
    assert all(isinstance(task, OrchestratorTask) and task.ignore_result for task in own.values())
    assert tasks.run_stage.name == "flows.run_stage"


def test_a_run_is_counted_by_how_it_ended_and_logs_its_context(make_task):
    seen = {}

    def tell():
        seen.update(structlog.contextvars.get_contextvars())

    def fail():
        raise ZeroDivisionError

    def put_back():
        raise Ignore

    tell, fail, put_back = make_task(tell), make_task(fail), make_task(put_back)
    tell.apply()
    fail.apply()
    put_back.apply()
    assert seen["task"] == "tests.tell"
    assert seen["task_id"]
    assert "task" not in structlog.contextvars.get_contextvars(), "it ends with the run"
    assert count_runs(tell, "done") == 1
    assert count_runs(fail, "failed") == 1
    assert count_runs(put_back, "put_back") == 1


@pytest.mark.django_db(transaction=True)
def test_a_message_waits_for_the_commit_and_dies_with_a_rollback(make_task, sent):
    def take(number):
        """Nothing runs here: the messages go nowhere."""

    task = make_task(take)
    with transaction.atomic():
        task.delay(1)
        assert sent == [], "nobody may look for a row that is not there yet"
    assert sent == [(1,)]
    with transaction.atomic():
        task.delay(2)
        transaction.set_rollback(True)
    assert sent == [(1,)]
    task.delay(3)
    assert sent == [(1,), (3,)]
