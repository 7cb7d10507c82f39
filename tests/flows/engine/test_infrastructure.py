"""Faults around the workers: a broker that fails over, a pool whose process is killed, a frozen worker."""

import os
import signal
from collections.abc import Iterator
from functools import partial

import pytest

from orchestrator.flows import engine
from orchestrator.flows.models import Flow, Stage
from orchestrator.flows.worker import presence
from tests import scenes
from tests.flows.engine.stack import Stack, running, until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(600)]


@pytest.fixture
def stack(tmp_path) -> Iterator[Stack]:
    """A broker, one worker on threads, one of processes, and a dispatcher."""
    with running(tmp_path) as stack:
        yield stack


def passed(flow: Flow) -> bool:
    return Flow.objects.filter(pk=flow.pk, status="passed").exists()


def run_two_stages(flows: list[Flow]) -> bool:
    return Stage.objects.filter(flow__in=flows, status="running").count() >= 2


@pytest.mark.slow
def test_no_process_ends_when_the_broker_restarts_or_fails_over(stack) -> None:
    repo = scenes.make_repo("demo")
    processes = [
        stack.worker("threads", "google,openai,anthropic,control"),
        stack.worker("processes", "gates", "prefork"),
        stack.dispatcher(),
    ]
    first = engine.create(repo, "warm up", flow_type="scripted")
    until(partial(passed, first), "the first flow")
    faults = {
        stack.restart_broker: (),
        stack.fail_over: ("READONLY", "UNBLOCKED"),
        stack.load_slowly: ("LOADING",),
        stack.refuse_writes: ("MISCONF",),
    }
    for number, (fault, answers) in enumerate(faults.items()):
        # Each worker holds a message while it polls for more.
        held = [
            engine.create(repo, f"{number} {kind}\n{kind}: sleep 1.5", flow_type="scripted")
            for kind in ("first", "second")
        ]
        until(partial(run_two_stages, held), "both stages")
        before = {name: stack.count_refusals(name) for name in answers}
        fault()
        for flow in held:
            until(partial(passed, flow), f"a flow after {fault.__name__}")
        after = engine.create(repo, f"after {number}", flow_type="scripted")
        until(partial(passed, after), f"a new flow after {fault.__name__}")
        assert [process.poll() for process in processes] == [None] * 3, fault.__name__
        # Each was really answered, or nothing was tried here. A broker that restarts counts from the start.
        met = {name: stack.count_refusals(name) for name in answers}
        assert all(met[name] > (0 if name == "LOADING" else before[name]) for name in answers), met


def test_what_a_killed_process_of_a_pool_held_is_ready_at_once(stack) -> None:
    # Far longer than the test waits: only the worker itself can give the stage back.
    stack.lease = "600"
    stack.worker("models", "google,openai,anthropic,control")
    stack.worker("gates", "gates", "prefork")
    flow = engine.create(scenes.make_repo("demo"), "second: kill 1", flow_type="scripted")
    stack.dispatcher()
    until(partial(passed, flow), "the end of the flow")
    second = flow.stages.get(kind="second")
    assert second.crashes == 1
    assert list(second.attempts.order_by("number").values_list("error_code", flat=True)) == [
        "engine:worker-lost",
        "",
    ]


def test_a_worker_begins_although_a_process_of_its_pool_is_killed_at_once(stack) -> None:
    stack.worker("models", "google,openai,anthropic,control")
    stack.environment = {"ENGINE_PLUGINS": "tests.flows.engine.plugin,tests.flows.engine.short_lived_pool"}
    gates = stack.worker("gates", "gates", "prefork")
    flow = engine.create(scenes.make_repo("demo"), "one", flow_type="scripted")
    stack.dispatcher()
    until(partial(passed, flow), "the end of the flow")
    assert gates.poll() is None


@pytest.mark.slow
def test_a_frozen_worker_is_seen(stack, settings, monkeypatch) -> None:
    monkeypatch.setattr(presence, "SILENT_SECONDS", presence.BEAT_SECONDS + 1)
    settings.REDIS_URL = stack.url
    worker = stack.worker("control", "control")
    until(lambda: presence.count_workers()["control"].beating == 1, "the first beat")
    os.kill(worker.pid, signal.SIGSTOP)
    until(lambda: presence.count_workers()["control"].silent == 1, "the silence")
    os.kill(worker.pid, signal.SIGCONT)
    until(lambda: presence.count_workers()["control"].beating == 1, "the next beat")
    # A worker that leaves in an orderly way is not missed.
    os.kill(worker.pid, signal.SIGTERM)
    until(lambda: presence.count_workers()["control"] == presence.QueueWorkers(), "the goodbye")
