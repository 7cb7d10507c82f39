"""Pauses beyond one flow: what they cover, whom they tell, what they give back."""

from datetime import UTC, datetime, timedelta

import pytest

from orchestrator.flows import engine
from orchestrator.flows.models import Flow, Hold
from orchestrator.repos.models import Repo
from tests.flows.engine.conftest import live


@pytest.fixture
def other(db) -> Repo:
    """A repo that no hold is about."""
    return Repo.objects.create(name="other")


def read_paused() -> dict[str, bool]:
    return dict(Repo.objects.values_list("name", "paused"))


def test_the_hold_of_a_repo_shows_in_that_repo_only(repo, other):
    assert engine.hold("repo", "demo") is True
    assert read_paused() == {"demo": True, "other": False}
    assert engine.hold("repo", "demo") is False
    assert engine.hold("repo", "other")
    assert engine.release("repo", "demo") is True
    assert read_paused() == {"demo": False, "other": True}
    assert Hold.objects.get().target == "other"


def test_a_hold_of_another_scope_shows_in_no_repo(repo, other):
    for scope, target in (("queue", "demo"), ("everything", "")):
        assert engine.hold(scope, target)
        assert read_paused() == {"demo": False, "other": False}


def test_a_release_ends_one_hold_and_its_scope_counts(repo):
    engine.hold("repo", "demo")
    engine.hold("queue", "demo")
    assert engine.release("queue", "demo")
    assert read_paused() == {"demo": True}
    assert [(hold.scope, hold.actor, hold.reason) for hold in Hold.objects.all()] == [("repo", "", "")]


def test_without_a_hold_there_is_nothing_to_release(repo):
    assert engine.release("repo", "demo") is False
    assert engine.release("everything") is False


@pytest.mark.parametrize(("scope", "target"), [("everything", ""), ("repo", "demo"), ("queue", "google")])
def test_a_release_gives_the_time_back_to_the_flows_that_it_stopped(new_flow, other, scope, target):
    stopped, elsewhere = new_flow(), new_flow(repo=other)
    engine.hold(scope, target)
    hour_ago = datetime.now(UTC) - timedelta(hours=1)
    Hold.objects.update(created_at=hour_ago)
    Flow.objects.update(created_at=hour_ago - timedelta(minutes=1))
    engine.hold_ready_stages(10)
    deadlines = dict(Flow.objects.values_list("pk", "deadline_at"))
    assert engine.release(scope, target)
    moved = {
        flow.pk: round((flow.deadline_at - deadlines[flow.pk]) / timedelta(minutes=1))
        for flow in Flow.objects.all()
    }
    covers_both = scope != "repo"
    assert moved == {stopped.pk: 60, elsewhere.pk: 60 if covers_both else 0}


def test_a_stage_that_is_held_says_who_and_why(new_flow):
    flow = new_flow()
    engine.hold("everything")
    engine.hold_ready_stages(10)
    assert live(flow).wait_reason == "All flows are paused."
