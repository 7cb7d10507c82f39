"""Flows of fake stages, driven by hand: a worker is a call, time passes by moving rows."""

from collections.abc import Callable

import pytest
from django.db import connection

from orchestrator.flows import engine
from orchestrator.flows.engine import Claim, broker
from orchestrator.flows.models import Flow, Stage
from orchestrator.repos.models import Repo


@pytest.fixture(autouse=True)
def plugin(settings):
    """The flow types of ``plugin.py``."""
    settings.ENGINE_PLUGINS = ("tests.flows.engine.plugin",)


@pytest.fixture
def sent(monkeypatch) -> list[list[tuple[int, str]]]:
    """The chains that were sent, in place of a broker."""
    chains: list[list[tuple[int, str]]] = []
    monkeypatch.setattr(
        broker, "send_route", lambda route: chains.append(list(route.chain + route.fork)) or True
    )
    monkeypatch.setattr(broker, "send_preparation", lambda *_: True)
    return chains


@pytest.fixture
def repo(db) -> Repo:
    """A repo."""
    return Repo.objects.create(name="demo")


@pytest.fixture
def new_flow(repo, sent) -> Callable[..., Flow]:
    """Make a flow of three scripted stages."""

    def make(script: str = "x", **more) -> Flow:
        return engine.create(more.pop("repo", repo), script, **{"flow_type": "scripted"} | more)

    return make


def live(flow: Flow) -> Stage:
    """The one live stage of a flow."""
    return flow.stages.get(status__in=["ready", "running", "waiting"])


def claim(flow: Flow, worker: str = "w1") -> Claim:
    """Claim the live stage; it must succeed."""
    held = engine.claim(live(flow).pk, worker)
    assert held is not None
    return held


def let_lease_run_out(stage_id: int) -> None:
    """Move a lease into the past."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE flows_stage SET lease_until = now() - interval '1 second' WHERE id = %s", [stage_id]
        )


def let_wait_end(stage_id: int) -> None:
    """Move a wait into the past."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE flows_stage SET not_before = now() - interval '1 second' WHERE id = %s", [stage_id]
        )


def kinds(flow: Flow) -> list[str]:
    """The events of a flow, in order."""
    return [event.kind for event in flow.events.all()]
