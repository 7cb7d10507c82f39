"""A flow whose stages fork and join: every branch is claimed, fenced and ended for itself, and the join is
ready exactly once.
"""

import itertools
from collections.abc import Callable
from functools import partial

import pytest
from django.db import IntegrityError, connection, transaction

from orchestrator.flows import engine
from orchestrator.flows.engine import Claim, dispatch_queue
from orchestrator.flows.models import Attempt, Flow, Stage
from orchestrator.flows.stage_protocol import Done, Failed, Park, Repair, StageResult
from providers import quota_report
from tests.flows.engine.conftest import kinds, let_lease_run_out
from tests.flows.engine.test_interleavings import together

pytestmark = pytest.mark.django_db
BRANCHES = ("left", "middle", "right")
FORK_QUEUES = ("google", "gates", "anthropic", "openai")
REPAIR = Repair("what was found", "first", "gate:failed", "A gate failed.", "Fix it.")


@pytest.fixture
def fork(new_flow) -> Callable[..., Flow]:
    """Make a flow whose three branches are ready."""

    def make(**more) -> Flow:
        flow = new_flow(flow_type="forked", **more)
        engine.finish(take(flow, "first"), Done())
        return flow

    return make


def take(flow: Flow, kind: str, worker: str = "w1") -> Claim:
    """Claim the live stage of ``kind``; it must succeed."""
    held = engine.claim(flow.stages.get(kind=kind, status="ready").pk, worker)
    assert held is not None
    return held


def statuses(flow: Flow) -> dict[str, str]:
    """Kind and round to status."""
    return {f"{stage.kind} {stage.round}": stage.status for stage in flow.stages.all()}


def test_the_branches_are_ready_together_and_the_join_after_the_last(fork, sent):
    flow = fork()
    assert statuses(flow) == {
        "first 1": "passed",
        "left 1": "ready",
        "middle 1": "ready",
        "right 1": "ready",
        "third 1": "pending",
    }
    held = [take(flow, kind) for kind in BRANCHES]
    assert not engine.finish(held[1], Done()).send
    assert not engine.finish(held[0], Done()).send
    finished = engine.finish(held[2], Done())
    # No message carries the stage where branches meet: the last branch sends it.
    assert not finished.follow_tail
    assert finished.send == (flow.stages.get(kind="third").pk,)
    engine.finish(take(flow, "third"), Done())
    flow.refresh_from_db()
    assert flow.status == "passed"
    assert kinds(flow).count("stage.ready") == 5


def test_one_message_carries_the_straight_part_and_the_fork(
    new_flow, sent, django_capture_on_commit_callbacks
):
    with django_capture_on_commit_callbacks(execute=True):
        flow = new_flow(flow_type="forked")
    first, *branches, last = flow.stages.all()
    assert sent == [[(stage.pk, stage.queue) for stage in (first, *branches)]]
    (route,) = engine.list_routes(flow.pk)
    assert route.chain == ((first.pk, first.queue),)
    assert route.fork == tuple((stage.pk, stage.queue) for stage in branches)
    finished = engine.finish(take(flow, "first"), Done())
    assert finished.follow_tail
    assert [route.chain for route in engine.list_routes(flow.pk, finished.send)] == [
        ((stage.pk, stage.queue),) for stage in branches
    ]
    assert last.queue == "control"


def test_a_worker_takes_one_branch_and_leaves_the_others(new_flow):
    flow = new_flow(flow_type="forked")
    finished = engine.finish(take(flow, "first"), Done(), onward=("anthropic", "google"))
    assert finished.claimed is not None
    assert finished.claimed.kind == "middle"
    assert {Stage.objects.get(pk=pk).kind for pk in finished.send} == {"left", "right"}
    for kind in ("left", "right"):
        engine.finish(take(flow, kind), Done())
    # The last branch may take the join as well.
    last = engine.finish(finished.claimed, Done(), onward=("control",))
    assert last.claimed is not None
    assert last.claimed.kind == "third"
    engine.finish(last.claimed, Done())
    flow.refresh_from_db()
    assert flow.status == "passed"


def pk_of(flow: Flow, kind: str) -> int:
    """The stage of ``kind`` in the first round."""
    return int(flow.stages.get(kind=kind, round=1).pk)


def test_the_finish_of_a_branch_takes_the_one_that_waits_in_the_same_process(fork):
    flow = fork()
    queues = ("google", "openai", "anthropic")
    finished = engine.finish(take(flow, "left"), Done(), onward=queues, branch=pk_of(flow, "middle"))
    middle = finished.claimed
    assert middle is not None
    assert (middle.kind, middle.attempt_number, middle.worker) == ("middle", 1, "w1")
    assert (finished.send, finished.routes, finished.follow_tail) == ((), (), False)
    assert engine.renew_leases([(middle.stage_id, middle.token)]) == {middle.token}
    assert engine.claim(middle.stage_id, "w2") is None
    right = engine.finish(middle, Done(), onward=queues, branch=pk_of(flow, "right")).claimed
    assert right is not None
    # A next stage goes first.
    third = engine.finish(right, Done(), onward=("control",), branch=pk_of(flow, "right")).claimed
    assert third is not None
    assert third.kind == "third"
    engine.finish(third, Done())
    flow.refresh_from_db()
    assert flow.status == "passed"
    assert Attempt.objects.filter(stage__flow=flow, outcome="passed").count() == 5
    assert kinds(flow).count("stage.started") == kinds(flow).count("stage.passed") == 5


@pytest.mark.parametrize(
    "change", ["claimed", "another flow", "repo", "queue", "paused", "late", "cancelled"]
)
def test_the_finish_of_a_branch_takes_no_other_that_a_claim_would_not(fork, change):
    flow = fork()
    left, branch = take(flow, "left"), pk_of(flow, "middle")
    queues: tuple[str, ...] = FORK_QUEUES
    match change:
        case "claimed":
            take(flow, "middle", "w2")
        case "another flow":
            branch = pk_of(fork(), "middle")
        case "repo":
            engine.hold("repo", flow.repo.name)
        case "queue":
            engine.hold("queue", flow.stages.get(kind="middle").queue)
        case "paused":
            engine.pause(flow.pk)
        case "late":
            Flow.objects.filter(pk=flow.pk).update(deadline_at="2020-01-01T00:00:00Z")
        case "full":
            dispatch_queue.publish_full_queues([flow.stages.get(kind="middle").queue], [], 60)
        case "elsewhere":
            queues = ("gates",)
        case "cancelled":
            engine.cancel(flow.pk)
            with pytest.raises(engine.Fenced):
                engine.finish(left, Done(), branch=branch)
            return
    before = Stage.objects.get(pk=branch).token
    finished = engine.finish(left, Done(), onward=queues, branch=branch)
    assert finished.claimed is None
    assert Stage.objects.get(pk=branch).token == before


def finish_with(held: Claim, branch: int, won: list[Claim | None]) -> None:
    """Finish, and note what was claimed with it."""
    won.append(engine.finish(held, Done(), onward=FORK_QUEUES, branch=branch).claimed)


def claim_into(stage: int, won: list[Claim | None]) -> None:
    """Claim, and note it."""
    won.append(engine.claim(stage, "w2"))


@pytest.mark.django_db(transaction=True)
def test_a_branch_that_a_finish_and_a_claim_want_at_once_goes_to_one_of_them(fork):
    for _ in range(6):
        flow = fork()
        left, middle = take(flow, "left"), pk_of(flow, "middle")
        won: list[Claim | None] = []
        together(partial(finish_with, left, middle, won), partial(claim_into, middle, won))
        assert len([claim for claim in won if claim]) == 1
        assert Attempt.objects.filter(stage_id=middle).count() == 1


def test_a_branch_that_fails_for_good_stops_the_others_and_nothing_of_theirs_counts(fork):
    flow = fork()
    left, middle = take(flow, "left"), take(flow, "middle")
    engine.finish(left, Failed("x:y", "It failed.", "Nothing."))
    flow.refresh_from_db()
    assert (flow.status, flow.error_code) == ("failed", "x:y")
    assert statuses(flow) == {
        "first 1": "passed",
        "left 1": "failed",
        "middle 1": "skipped",
        "right 1": "skipped",
        "third 1": "skipped",
    }
    assert not engine.renew_leases([(middle.stage_id, middle.token)])
    for late in (Done(), Done(output={"x": 1}), REPAIR, Failed("a:b", "m", "c")):
        with pytest.raises(engine.Fenced):
            engine.finish(middle, late)
    assert Attempt.objects.get(token=middle.token).outcome == "cancelled"
    assert kinds(flow).count("stage.skipped") == 2


def test_a_retry_brings_back_what_failed_and_what_it_stopped(fork, sent, django_capture_on_commit_callbacks):
    flow = fork()
    engine.finish(take(flow, "right"), Done())
    take(flow, "middle")
    engine.finish(take(flow, "left"), Failed("x:y", "It failed.", "Nothing."))
    sent.clear()
    with django_capture_on_commit_callbacks(execute=True):
        engine.retry(flow.pk)
    assert statuses(flow) == {
        "first 1": "passed",
        "left 1": "ready",
        "middle 1": "ready",
        "right 1": "passed",
        "third 1": "pending",
    }
    assert [len(chain) for chain in sent] == [1, 1]
    for kind in ("left", "middle", "third"):
        engine.finish(take(flow, kind), Done())
    flow.refresh_from_db()
    assert flow.status == "passed"


@pytest.mark.parametrize("order", list(itertools.permutations(["left", "middle", "right"])))
def test_a_round_begins_when_nothing_else_is_under_way_and_answers_all(fork, order):
    """Left and middle ask for a repair, right passes, in any order."""
    flow = fork(settings={"max_repair_rounds": 1})
    held = {kind: take(flow, kind) for kind in BRANCHES}
    ends: dict[str, StageResult] = {
        "left": REPAIR,
        "middle": Repair("more", "first", "g:f", "m", "c"),
        "right": Done(),
    }
    for place, kind in enumerate(order):
        finished = engine.finish(held[kind], ends[kind])
        assert bool(finished.send) == (place == 2)
    assert statuses(flow) == {
        "first 1": "passed",
        "left 1": "failed",
        "middle 1": "failed",
        "right 1": "passed",
        "first 2": "ready",
        "left 2": "pending",
        "middle 2": "pending",
        "right 2": "pending",
        "third 1": "pending",
    }
    again = take(flow, "first")
    assert (again.round, again.feedback) == (2, "what was found\n\nmore")
    engine.finish(again, Done())
    for kind in BRANCHES:
        engine.finish(take(flow, kind), Done())
    engine.finish(take(flow, "third"), Done())
    flow.refresh_from_db()
    assert (flow.status, flow.repair_asked) == ("passed", False)
    assert kinds(flow).count("round.inserted") == 1


def test_without_a_round_left_a_request_ends_the_flow_and_a_retry_grants_one(fork):
    flow = fork(settings={"max_repair_rounds": 0})
    take(flow, "middle")
    engine.finish(take(flow, "left"), REPAIR)
    flow.refresh_from_db()
    assert (flow.status, flow.error_code) == ("failed", "gate:failed")
    engine.retry(flow.pk)
    found = statuses(flow)
    # What judged the old files stays as it was: its kind runs again in the round.
    assert (found["middle 1"], found["right 1"]) == ("skipped", "skipped")
    assert (found["first 2"], found["middle 2"], found["third 1"]) == ("ready", "pending", "pending")
    engine.finish(take(flow, "first"), Done())
    for kind in BRANCHES:
        engine.finish(take(flow, kind), Done())
    engine.finish(take(flow, "third"), Done())
    flow.refresh_from_db()
    assert flow.status == "passed"


def test_a_flow_waits_when_all_of_it_that_is_under_way_waits(fork):
    flow = fork()
    held = {kind: take(flow, kind) for kind in BRANCHES}
    until = quota_report.read_clock()
    engine.finish(held["left"], Park("no room", until, "google"))
    flow.refresh_from_db()
    assert flow.status == "running"
    engine.finish(held["middle"], Park("no room", until, "google"))
    engine.finish(held["right"], Park("no room", until, "google"))
    flow.refresh_from_db()
    assert flow.status == "waiting"


@pytest.mark.parametrize("verb", ["cancel", "deadline", "pause"])
def test_a_verb_takes_every_branch(fork, verb):
    flow = fork()
    held = take(flow, "left")
    if verb == "pause":
        engine.pause(flow.pk)
        engine.finish(held, Done())
        assert statuses(flow)["middle 1"] == statuses(flow)["right 1"] == "waiting"
        engine.resume(flow.pk)
        assert statuses(flow)["middle 1"] == statuses(flow)["right 1"] == "ready"
        return
    assert engine.cancel(flow.pk) if verb == "cancel" else engine.fail_overdue_flow(flow.pk)
    assert not flow.stages.filter(status__in=["pending", "ready", "running", "waiting"]).exists()
    with pytest.raises(engine.Fenced):
        engine.finish(held, Done())


@pytest.mark.parametrize("what", ["early", "twice", "flow"])
def test_the_database_refuses_an_early_join_and_a_second_one(fork, what):
    flow = fork()
    third = flow.stages.get(kind="third")
    damage = {
        "early": "UPDATE flows_stage SET status = 'ready', needs_left = 0 WHERE id = %s",
        "twice": "INSERT INTO flows_stage (flow_id, position, kind, queue, status, round)"
        " SELECT flow_id, 99, 'left', queue, 'ready', 2 FROM flows_stage WHERE id = %s",
        "flow": "UPDATE flows_flow SET status = 'passed', finished_at = now()"
        " WHERE id = (SELECT flow_id FROM flows_stage WHERE id = %s)",
    }
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(damage[what], [third.pk])


def check(flow: Flow, branches: list["Branch"]) -> None:
    """What must hold after every step of the branches, a cancel and a sweep."""
    ended = sum(branch.won for branch in branches)
    stages = list(flow.stages.values_list("kind", "status", "needs_left", "flow__status"))
    kind, status, needs_left, flow_status = stages[-1]
    assert kind == "third"
    if flow_status == "cancelled":
        assert not {"pending", "ready", "running", "waiting"} & {stage[1] for stage in stages}
        return
    assert needs_left == len(branches) - ended
    assert status == ("ready" if ended == len(branches) else "pending")


class Branch:
    """Claims its stage, and again when it was taken away; then finishes."""

    def __init__(self, stage_id: int) -> None:
        self.stage_id = stage_id
        self.held: Claim | None = None
        self.won = 0

    def claim(self) -> None:
        self.held = engine.claim(self.stage_id, "w")

    def finish(self) -> None:
        if self.held is None:
            return
        try:
            engine.finish(self.held, Done())
        except engine.Fenced:
            return
        self.won += 1


def merges(*more: str) -> list[tuple[str, ...]]:
    """Every order of two branches that claim and finish, and of ``more``; as both are alike, a is first."""
    steps = ("a.claim", "a.finish", "b.claim", "b.finish", *more)
    return [
        order
        for order in itertools.permutations(steps)
        if order.index("a.claim") < order.index("a.finish")
        and order.index("a.claim") < order.index("b.claim") < order.index("b.finish")
    ]


@pytest.mark.parametrize(
    ("more", "count"), [((), 3), (("cancel",), 15), (("sweep",), 15), (("cancel", "sweep"), 90)]
)
def test_every_order_of_two_branches_that_finish_a_cancel_and_a_sweep(new_flow, more, count):
    orders = merges(*more)
    assert len(orders) == count
    for order in orders:
        flow = new_flow(flow_type="two_branches")
        engine.finish(take(flow, "first"), Done())
        a, b = (Branch(flow.stages.get(kind=kind).pk) for kind in ("left", "right"))
        acts: dict[str, Callable[[], object]] = {
            "a.claim": a.claim,
            "a.finish": a.finish,
            "b.claim": b.claim,
            "b.finish": b.finish,
            "cancel": partial(engine.cancel, flow.pk),
            "sweep": partial(sweep, [a.stage_id, b.stage_id]),
        }
        for step in order:
            acts[step]()
            check(flow, [a, b])
        third = flow.stages.get(kind="third")
        # Once where both branches passed, even where a cancel came after that; otherwise never.
        passed = flow.stages.filter(kind__in=("left", "right"), status="passed").count()
        assert flow.events.filter(kind="stage.ready", stage_id=third.pk).count() == (passed == 2)


def sweep(stages: list[int]) -> None:
    """Let the leases of those that run run out, and take them back."""
    for stage in Stage.objects.filter(pk__in=stages, status="running"):
        let_lease_run_out(stage.pk)
    for row in engine.find_expired_leases():
        engine.expire_lease(row.flow_id, row.id, row.token)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("how", ["both pass", "one asks", "both ask", "one fails", "a cancel", "a sweep"])
def test_two_branches_that_end_at_once_on_real_connections(new_flow, how):
    """The one that comes second reads what the first has written while it waited for the flow's lock."""
    for _ in range(6):
        flow = new_flow(flow_type="two_branches", settings={"max_repair_rounds": 1})
        engine.finish(take(flow, "first"), Done())
        held = [take(flow, kind) for kind in ("left", "right")]
        if how == "a sweep":
            let_lease_run_out(held[1].stage_id)
        results: dict[str, tuple[StageResult, StageResult]] = {
            "one asks": (REPAIR, Done()),
            "both ask": (REPAIR, REPAIR),
            "one fails": (Failed("x:y", "m", "c"), Done()),
        }
        ends = results.get(how, (Done(), Done()))
        acts: list[Callable[[], object]] = [
            partial(end, claim, result) for claim, result in zip(held, ends, strict=True)
        ]
        acts += [partial(engine.cancel, flow.pk)] if how == "a cancel" else []
        sweeping = partial(engine.expire_lease, flow.pk, held[1].stage_id, held[1].token)
        acts += [sweeping] if how == "a sweep" else []
        together(*acts)
        flow.refresh_from_db()
        third = flow.stages.get(kind="third")
        events = kinds(flow)
        assert flow.events.filter(kind="stage.ready", stage_id=third.pk).count() <= 1
        if how == "both pass":
            assert (third.status, third.needs_left) == ("ready", 0)
        if how in ("one asks", "both ask"):
            assert (third.status, third.needs_left, events.count("round.inserted")) == ("pending", 2, 1)
        if how == "one fails":
            assert flow.status == "failed"
            assert not flow.stages.filter(status__in=["pending", "ready", "running", "waiting"]).exists()


def end(claim: Claim, result: StageResult) -> None:
    """Finish, unless the claim has been fenced."""
    try:
        engine.finish(claim, result)
    except engine.Fenced:
        return
