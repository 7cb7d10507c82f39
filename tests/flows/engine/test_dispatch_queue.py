"""What is sent next, what again: order between repos, priorities, room in the broker."""

import pytest
from django.db import connection

from orchestrator.flows import engine
from orchestrator.flows.engine import dispatch_queue
from orchestrator.flows.models import Flow, QueueLoad, Stage
from orchestrator.flows.stage_protocol import Done
from orchestrator.repos.models import Repo
from tests.flows.engine.conftest import claim, live

pytestmark = pytest.mark.django_db


@pytest.fixture
def full_queue(db):
    """Only the dispatcher sends to google."""
    dispatch_queue.publish_full_queues(["google"], ["openai"], 60)


def order(taken) -> list[str]:
    return [Flow.objects.get(pk=row.flow_id).repo.name for row in taken]


def test_one_flow_of_another_repo_does_not_wait_for_a_backlog(full_queue, new_flow):
    clock = dispatch_queue.VirtualClock("google")
    for _ in range(50):
        new_flow()
    dispatch_queue.tag_ready_stages(clock)
    first = dispatch_queue.take_next_stages(clock, 10)
    new_flow(repo=Repo.objects.create(name="small"))
    dispatch_queue.tag_ready_stages(clock)
    assert order(first) == ["demo"] * 10
    assert "small" in order(dispatch_queue.take_next_stages(clock, 2))


def test_repos_with_backlogs_take_turns(full_queue, new_flow):
    others = [Repo.objects.create(name=name) for name in ("b", "c")]
    for repo in (None, *others):
        for _ in range(5):
            new_flow(**({"repo": repo} if repo else {}))
    clock = dispatch_queue.VirtualClock("google")
    dispatch_queue.tag_ready_stages(clock)
    taken = order(dispatch_queue.take_next_stages(clock, 9))
    assert sorted(taken) == ["b"] * 3 + ["c"] * 3 + ["demo"] * 3


def test_a_higher_priority_goes_first(full_queue, new_flow):
    clock = dispatch_queue.VirtualClock("google")
    for _ in range(5):
        new_flow()
    dispatch_queue.tag_ready_stages(clock)
    urgent, later = new_flow(priority=1), new_flow(priority=-1)
    engine.set_priority(later.pk, 2)
    dispatch_queue.tag_ready_stages(clock)
    assert [row.flow_id for row in dispatch_queue.take_next_stages(clock, 2)] == [later.pk, urgent.pk]


def test_a_new_leader_goes_on_with_the_order_of_the_old(full_queue, new_flow):
    for _ in range(20):
        new_flow()
    old = dispatch_queue.VirtualClock("google")
    dispatch_queue.tag_ready_stages(old)
    dispatch_queue.take_next_stages(old, 5)
    new = dispatch_queue.VirtualClock("google")
    new_flow(repo=Repo.objects.create(name="small"))
    dispatch_queue.tag_ready_stages(new)
    assert "small" in order(dispatch_queue.take_next_stages(new, 2))


def test_nothing_is_taken_twice(full_queue, new_flow):
    new_flow()
    clock = dispatch_queue.VirtualClock("google")
    dispatch_queue.tag_ready_stages(clock)
    assert len(dispatch_queue.take_next_stages(clock, 5)) == 1
    assert dispatch_queue.take_next_stages(clock, 5) == []
    assert dispatch_queue.count_outstanding("google") == 1


def test_a_full_queue_keeps_new_flows_out_of_the_broker(
    full_queue, new_flow, sent, django_capture_on_commit_callbacks
):
    with django_capture_on_commit_callbacks(execute=True):
        stage = live(new_flow())
    assert sent == []
    assert (stage.status, stage.sent_at) == ("ready", None)
    dispatch_queue.publish_full_queues([], ["google"], 60)
    assert QueueLoad.objects.get(queue="google").full_until is None


def test_a_burst_of_new_flows_fills_the_broker_no_further_than_a_queue_has_slots(new_flow, settings):
    """Before the dispatcher has had a look: 500 flows of one repo would keep another repo's from starting."""
    settings.QUEUE_SLOTS = settings.QUEUE_SLOTS | {"google": 3}
    made = [live(new_flow()) for _ in range(5)]
    assert [stage.sent_at is not None for stage in made] == [True, True, True, False, False]
    assert engine.claim(made[0].pk, "w") is not None  # a slot has taken one: there is room for one more
    assert [live(new_flow()).sent_at is not None for _ in range(2)] == [True, False]


def test_a_finish_leaves_a_full_queue_alone(new_flow):
    flow = new_flow()
    dispatch_queue.publish_full_queues(["gates"], [], 60)
    assert not engine.finish(claim(flow), Done()).follow_tail
    assert live(flow).sent_at is None


def age(seconds: float) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE flows_stage SET sent_at = sent_at - make_interval(secs => %s) WHERE sent_at IS NOT NULL",
            [seconds],
        )


def test_what_stays_unclaimed_is_sent_again_with_doubling_pauses(new_flow, settings):
    settings.ENGINE_RESEND_SECONDS = 10
    stage = live(new_flow())
    for pause in (10, 20, 40):
        age(pause - 1)
        assert dispatch_queue.take_lost_stages("google", drained=False, quick_seconds=2) == []
        age(1.5)
        assert [
            row.id for row in dispatch_queue.take_lost_stages("google", drained=False, quick_seconds=2)
        ] == [stage.pk]


def test_an_empty_queue_in_the_broker_means_the_message_is_lost(new_flow):
    live(new_flow())
    age(1)
    assert dispatch_queue.take_lost_stages("google", drained=True, quick_seconds=2) == []
    age(1.5)
    assert len(dispatch_queue.take_lost_stages("google", drained=True, quick_seconds=2)) == 1


def test_an_emptied_broker_means_nothing_is_sent(new_flow):
    new_flow()
    dispatch_queue.forget_sent_stages()
    assert Stage.objects.filter(sent_at__isnull=False).count() == 0
