"""What reaches the broker for a route, and what a sender learns where nothing does."""

import base64
import json
import os
import queue
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis
from celery import Celery, signature

from orchestrator.celery import app
from orchestrator.flows.engine import broker
from orchestrator.flows.engine.routes import Route

STRAIGHT = Route(((11, "google"), (12, "gates"), (13, "control")))
FORKED = Route(((21, "google"), (22, "gates")), ((23, "anthropic"), (24, "openai")))


def connect(url: str) -> Celery:
    """Our application with another broker."""
    other = Celery("other", broker=url, set_as_current=False)
    names = ("task_queues", "task_default_queue", "task_serializer", "broker_transport_options")
    other.conf.update({name: app.conf[name] for name in names})
    return other


@pytest.fixture
def broker_of_its_own(settings, monkeypatch) -> Iterator[redis.Redis]:
    """A database of Redis that no worker of another test listens to, nor another process of the suite."""
    process = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    url = f"{settings.REDIS_URL.rpartition('/')[0]}/{15 - process}"
    client = redis.Redis.from_url(url)
    client.flushdb()
    other = connect(url)
    monkeypatch.setattr(broker, "app", other)
    yield client
    other.close()
    client.flushdb()
    client.close()


def read_message(client: redis.Redis, name: str) -> tuple[str, Any]:
    """Task and body of the next message of a queue."""
    found: Any = client.blpop([name], timeout=20)
    assert found is not None, f"nothing in {name}"
    message = json.loads(found[1])
    return message["headers"]["task"], json.loads(base64.b64decode(message["body"]))


def as_celery_writes_it(stage: int, its_queue: str) -> Any:
    """One task of a tail, by Celery's own signature."""
    made = signature("flows.run_stage", args=(stage,), options={"queue": its_queue}, immutable=True, app=app)
    return json.loads(json.dumps(made))


def test_the_stages_that_follow_travel_as_celery_chains_write_them(broker_of_its_own):
    assert broker.send_route(STRAIGHT)
    task, (args, kwargs, embedded) = read_message(broker_of_its_own, "google")
    assert (task, args, kwargs) == ("flows.run_stage", [11], {})
    # Celery takes the next task from the end.
    assert embedded["chain"] == [as_celery_writes_it(13, "control"), as_celery_writes_it(12, "gates")]


def test_a_fork_is_a_group_at_the_end_of_the_tail(broker_of_its_own):
    broker.send_routes([FORKED, Route(((31, "control"),))])
    _, (args, _, embedded) = read_message(broker_of_its_own, "google")
    assert args == [21]
    group, following = embedded["chain"]
    assert following == as_celery_writes_it(22, "gates")
    assert group == {
        "task": "celery.group",
        "args": [],
        "kwargs": {"tasks": [as_celery_writes_it(23, "anthropic"), as_celery_writes_it(24, "openai")]},
        "options": {},
        "subtask_type": "group",
        # Otherwise each branch would get the result of the stage before it as an argument.
        "immutable": True,
    }
    task, (args, _, embedded) = read_message(broker_of_its_own, "control")
    assert (task, args, embedded["chain"]) == ("flows.run_stage", [31], [])


def count_refused_pushes(client: redis.Redis) -> int:
    statistics: Any = client.info("commandstats")
    return statistics.get("cmdstat_lpush", {}).get("failed_calls", 0)


def test_a_broker_that_refuses_is_told_and_logged_and_not_asked_again(broker_of_its_own, caplog):
    # Kombu looks at a queue before its first message to it, and would be refused there already.
    assert broker.send_route(STRAIGHT)
    broker_of_its_own.set("google", "no list, so nothing can be added to it")
    before = count_refused_pushes(broker_of_its_own)
    assert broker.send_route(STRAIGHT) is False
    # The dispatcher sends again, not the client: its caller would wait for that.
    assert count_refused_pushes(broker_of_its_own) == before + 1
    (said,) = [record for record in caplog.records if record.name == "orchestrator.flows.engine.broker"]
    assert said.getMessage() == "stage 11 was not sent to google: OperationalError"


def test_a_stage_is_prepared_only_where_nothing_waits(broker_of_its_own, caplog):
    assert broker.send_preparation("task_1", "context", "google") is True
    assert broker.send_preparation("task_2", "context", "google") is False
    task, (args, kwargs, _) = read_message(broker_of_its_own, "google")
    assert (task, args, kwargs) == ("flows.prepare_stage", ["task_1", "context"], {})
    assert broker_of_its_own.llen("google") == 0
    assert caplog.records == []
    broker_of_its_own.set("google", "no list")
    assert broker.send_preparation("task_3", "context", "google") is False
    assert caplog.messages == ["context of task_3 is not prepared: ResponseError"]


def test_the_web_process_sends_from_one_thread_and_refuses_what_is_too_much(broker_of_its_own, monkeypatch):
    before = {thread for thread in threading.enumerate() if thread.name == "sender"}
    monkeypatch.setattr(broker, "_waiting", None)
    broker.send_in_background()
    (sender,) = {thread for thread in threading.enumerate() if thread.name == "sender"} - before
    assert sender.daemon, "it would keep a process from ending"
    for _ in range(2):
        assert broker.send_route(STRAIGHT)
        assert read_message(broker_of_its_own, "google")[1][0] == [11]
    assert broker._waiting is not None
    assert broker._waiting.maxsize == broker.MOST_WAITING == 1000

    nobody_takes: queue.Queue[Callable[[], bool]] = queue.Queue(1)
    monkeypatch.setattr(broker, "_waiting", nobody_takes)
    assert broker.send_route(STRAIGHT) is True
    began = time.monotonic()
    assert broker.send_route(FORKED) is False
    assert time.monotonic() - began < 10, "the request waited for room"
    assert nobody_takes.get_nowait()() is True
    assert read_message(broker_of_its_own, "google")[1][0] == [11]
