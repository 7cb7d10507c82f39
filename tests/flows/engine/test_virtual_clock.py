"""The virtual time of a queue: the order of the stages of many repos and priorities."""

import pytest

from orchestrator.flows.engine import dispatch_queue
from orchestrator.flows.engine.dispatch_queue import PRIORITY_STEP, VirtualClock
from orchestrator.flows.models import Stage
from orchestrator.repos.models import Repo

pytestmark = pytest.mark.django_db


def test_a_repo_follows_itself_and_never_comes_before_the_queue() -> None:
    clock = VirtualClock("google")
    assert [clock.tag(1, 0) for _ in range(3)] == [1.0, 2.0, 3.0]
    assert clock.tag(2, 0) == 1.0, "the backlog of another repo does not hold it up"
    clock.sent(3.0)
    assert clock.tag(3, 0) == 3.0, "a repo that had nothing to do has saved nothing"
    clock.sent(1.0)
    assert clock.tag(4, 0) == 3.0, "what is sent late does not turn the time back"


def test_every_priority_has_a_time_of_its_own() -> None:
    clock = VirtualClock("google")
    assert clock.tag(1, 2) == 1.0 - 2 * PRIORITY_STEP
    assert clock.tag(1, -1) == 1.0 + PRIORITY_STEP
    assert clock.tag(1, 0) == 1.0
    clock.sent(5.0 - 2 * PRIORITY_STEP)
    assert clock.tag(2, 2) == 5.0 - 2 * PRIORITY_STEP
    assert clock.tag(2, 0) == 1.0
    assert clock.tag(2, -1) == 1.0 + PRIORITY_STEP


def test_a_new_leader_continues_where_the_tags_of_unsent_stages_are(new_flow, repo) -> None:
    other = Repo.objects.create(name="other")
    # Otherwise a new flow's first stage is sent without the dispatcher, and has no tag.
    dispatch_queue.publish_full_queues(["google"], [], seconds=60)
    for _ in range(3):
        new_flow(priority=1)
    new_flow(repo=other, priority=1)
    new_flow(repo=other)
    first = VirtualClock("google")
    assert dispatch_queue.tag_ready_stages(first) == 5
    assert dispatch_queue.tag_ready_stages(first) == 0

    second = VirtualClock("google")
    assert second.last == first.last == {(repo.pk, 1): 3.0, (other.pk, 1): 1.0, (other.pk, 0): 1.0}
    assert second.now == {1: 0.0, 0: 0.0}

    assert dispatch_queue.take_next_stages(first, 0) == []
    assert dispatch_queue.take_next_stages(first, -1) == []
    taken = dispatch_queue.take_next_stages(first, 2)
    owners = Stage.objects.filter(pk__in=[row.id for row in taken]).values_list("flow__repo__name", flat=True)
    assert sorted(owners) == ["demo", "other"]
    third = VirtualClock("google")
    assert third.last[repo.pk, 1] == 3.0
    assert third.now == {1: 1.0, 0: 0.0}
