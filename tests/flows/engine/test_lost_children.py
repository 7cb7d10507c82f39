"""Processes of a pool that are gone, whether or not Celery knew of their work."""

from types import SimpleNamespace
from typing import Any

import pytest
from django.db import OperationalError, connection

from orchestrator.flows.worker import lost_children
from orchestrator.flows.worker.lost_children import LostChildren, worker_prefixes
from tests.flows.engine.conftest import claim, live


class Pool:
    """What a Celery worker with two processes shows of them."""

    def __init__(self) -> None:
        self.processes = [SimpleNamespace(pid=101), SimpleNamespace(pid=102)]
        self.worker: Any = SimpleNamespace(pool=SimpleNamespace(_pool=SimpleNamespace(_pool=self.processes)))

    def replace_first(self) -> None:
        """As Celery does after a process was killed."""
        self.processes[0] = SimpleNamespace(pid=103)


def name_of(pid: int) -> str:
    return f"{worker_prefixes([pid])[0]}x"


def test_what_a_process_held_that_is_gone_is_ready_and_nothing_else(new_flow, monkeypatch) -> None:
    monkeypatch.setattr(connection, "close", lambda: None)
    pool = Pool()
    watch = LostChildren(pool.worker)
    gone, alive = new_flow(), new_flow()
    claim(gone, name_of(101))
    claim(alive, name_of(102))
    watch.look()
    assert [live(flow).status for flow in (gone, alive)] == ["running", "running"]
    pool.replace_first()
    watch.look()
    assert [(live(flow).status, live(flow).crashes) for flow in (gone, alive)] == [
        ("ready", 1),
        ("running", 0),
    ]


def test_a_database_that_is_away_is_asked_again(new_flow, monkeypatch) -> None:
    monkeypatch.setattr(connection, "close", lambda: None)
    pool = Pool()
    watch = LostChildren(pool.worker)
    flow = new_flow()
    claim(flow, name_of(101))
    pool.replace_first()

    def refuse(_: object) -> int:
        raise OperationalError

    with monkeypatch.context() as away:
        away.setattr(lost_children.engine, "take_stages_of_dead", refuse)
        watch.look()
    assert live(flow).status == "running"
    watch.look()
    assert live(flow).status == "ready"


def test_a_process_that_is_about_to_start_has_no_number_yet() -> None:
    pool = Pool()
    pool.processes.append(SimpleNamespace(pid=None))
    assert lost_children.list_children(pool.worker) == [101, 102]


def test_a_look_that_fails_is_not_the_last(monkeypatch, caplog) -> None:
    looks: list[int] = []

    def fail_thrice(_: LostChildren) -> None:
        looks.append(1)
        if len(looks) == 3:
            raise KeyboardInterrupt  # which nothing here catches
        raise RuntimeError("odd")

    monkeypatch.setattr(lost_children, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(LostChildren, "look", fail_thrice)
    with pytest.raises(KeyboardInterrupt):
        LostChildren(Pool().worker).look_on()
    assert len(looks) == 3
    assert "could not look for lost processes" in caplog.text


def test_a_pool_of_threads_has_no_processes() -> None:
    threads: Any = SimpleNamespace(pool=SimpleNamespace())
    assert lost_children.list_children(threads) == []
