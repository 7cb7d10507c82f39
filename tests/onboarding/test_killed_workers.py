"""kill -9 of a real worker at every place of every step, and a deploy in the middle: the same end."""

import os
import signal
from collections.abc import Iterator

import pytest

from onboarding import engine
from onboarding.models import OnboardingRequest, OnboardingStep
from onboarding.step_registry import CHECKS, PROVISIONING
from orchestrator.repos.models import Repo
from tests.flows.engine.stack import Stack, until
from tests.onboarding import counted_steps
from tests.onboarding.steps import ask_for
from tests.onboarding.worker_stack import CountedStore, describe_end, reach, running_worker

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True), pytest.mark.timeout(600)]
MADE = ("repo_exists", "secrets", "files", "dashboard")


@pytest.fixture
def store(tmp_path) -> CountedStore:
    return CountedStore(tmp_path / "store")


@pytest.fixture
def stack(tmp_path, store, settings, monkeypatch) -> Iterator[Stack]:
    """A broker and one worker with counting steps."""
    for table in (CHECKS, PROVISIONING):
        monkeypatch.setattr(table, "_members", dict(table._members))
        monkeypatch.setattr(table, "_loaded", dict(table._loaded))
    counted_steps.install_steps()
    with running_worker(tmp_path / "logs", store, settings) as started:
        yield started


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
    until(lambda: not store.list_kills_left(), "a death at every place")
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
    until(lambda: not store.list_kills_left(), "a death at every place")
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
