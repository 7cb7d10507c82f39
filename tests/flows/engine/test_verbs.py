"""Every verb of the engine, through its door, against PostgreSQL."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction

from gates.base import Finding, GateReport, Verdict
from orchestrator.flows import engine
from orchestrator.flows.engine import capacity
from orchestrator.flows.models import Artifact, Attempt, Block, Flow, Stage
from orchestrator.flows.stage_protocol import Done, Failed, NewArtifact, NewBlock, Park, Repair
from providers import ledger, limiter
from tests import scenes
from tests.flows.engine.conftest import claim, kinds, let_lease_run_out, let_wait_end, live
from tests.providers.wire.conftest import clock  # noqa: F401 - a fixture

pytestmark = pytest.mark.django_db


def test_a_new_flow_has_its_stages_its_events_and_one_message(
    new_flow, sent, django_capture_on_commit_callbacks
):
    with django_capture_on_commit_callbacks(execute=True):
        flow = new_flow(priority=3)
    assert [(stage.kind, stage.status, stage.queue) for stage in flow.stages.all()] == [
        ("first", "ready", "google"),
        ("second", "pending", "gates"),
        ("third", "pending", "control"),
    ]
    assert (flow.status, flow.flow_type_version, flow.priority) == ("pending", 1, 3)
    assert flow.deadline_at > flow.created_at
    assert kinds(flow) == ["flow.created", "stage.ready"]
    assert sent == [[(stage.pk, stage.queue) for stage in flow.stages.all()]]


def test_the_same_key_gives_the_same_flow_and_another_body_is_a_conflict(new_flow):
    flow = new_flow("a", idempotency_key="k")
    assert new_flow("a", idempotency_key="k") == flow
    assert Flow.objects.count() == 1
    with pytest.raises(engine.IdempotencyConflict) as conflict:
        new_flow("b", idempotency_key="k")
    assert conflict.value.code == "flow:idempotency-conflict"


def test_an_unknown_flow_type_makes_nothing(new_flow):
    with pytest.raises(KeyError):
        new_flow(flow_type="unheard-of")
    assert not Flow.objects.exists()


def test_a_flow_runs_to_its_end(new_flow):
    flow = new_flow()
    for kind in ("first", "second", "third"):
        held = claim(flow)
        assert held.kind == kind
        finished = engine.finish(held, Done(output={"kind": kind}), engine.Spent("m-1", "m-0"))
        assert finished.follow_tail == (kind != "third")
    flow.refresh_from_db()
    assert flow.status == "passed"
    assert flow.finished_at is not None
    assert [stage.output for stage in flow.stages.all()] == [
        {"kind": kind} for kind in ("first", "second", "third")
    ]
    assert set(Attempt.objects.values_list("outcome", "model", "fallback_from")) == {("passed", "m-1", "m-0")}
    each = ["stage.ready", "stage.started", "stage.passed"]
    assert kinds(flow) == ["flow.created", *(each * 3), "flow.passed"]


def test_only_one_claim_wins(new_flow):
    flow = new_flow()
    stage = live(flow)
    assert engine.claim(stage.pk, "w1") is not None
    assert engine.claim(stage.pk, "w2") is None
    assert engine.claim(stage.pk + 1, "w2") is None  # pending


def test_a_worker_with_a_long_name_can_claim(new_flow):
    held = engine.claim(live(new_flow()).pk, "w" * 300)
    assert held is not None
    assert held.worker == Attempt.objects.get().worker == "w" * 200


def test_an_expired_attempt_is_fenced_and_its_stage_goes_to_the_next(new_flow):
    flow = new_flow()
    late = claim(flow)
    let_lease_run_out(late.stage_id)
    (row,) = engine.find_expired_leases()
    assert engine.expire_lease(row.flow_id, row.id, row.token)
    assert engine.renew_leases([(late.stage_id, late.token)]) == set()
    second = claim(flow, "w2")
    assert second.attempt_number == 2
    with pytest.raises(engine.Fenced):
        engine.finish(late, Done(output={"from": "late"}))
    with pytest.raises(engine.Fenced):
        engine.record_progress(late, "still here", {})
    with pytest.raises(engine.Fenced):
        engine.finish(late, Done(artifacts=(NewArtifact("a", "a.txt", b"late"),)))
    assert not Artifact.objects.exists()
    engine.finish(second, Done(output={"from": "second"}))
    assert Stage.objects.get(pk=late.stage_id).output == {"from": "second"}


def test_a_heartbeat_in_time_keeps_the_lease(new_flow):
    flow = new_flow()
    held = claim(flow)
    let_lease_run_out(held.stage_id)
    (row,) = engine.find_expired_leases()
    assert engine.renew_leases([(held.stage_id, held.token)]) == {held.token}
    assert not engine.expire_lease(row.flow_id, row.id, row.token)
    assert engine.finish(held, Done()).follow_tail


def lose_worker(flow: Flow, *, shared: bool = False) -> Stage:
    """Begin the live stage, after its wait, and let its worker die."""
    if live(flow).status == "waiting":
        let_wait_end(live(flow).pk)
        engine.release_due_stages()
    held = claim(flow)
    let_lease_run_out(held.stage_id)
    assert engine.expire_lease(held.flow_id, held.stage_id, held.token, shared=shared)
    return Stage.objects.get(pk=held.stage_id)


def test_a_stage_that_kills_its_worker_three_times_fails_with_that_reason(new_flow):
    flow = new_flow()
    assert lose_worker(flow).status == "ready"
    assert lose_worker(flow).status == "waiting"
    lose_worker(flow)
    flow.refresh_from_db()
    assert (flow.status, flow.error_code) == ("failed", "engine:worker-crashed")
    assert flow.error_cure
    assert flow.stages.filter(status="skipped").count() == 2


def test_the_pause_between_crashes_grows(new_flow, settings):
    settings.ENGINE_MAX_CRASHES, settings.ENGINE_BACKOFF_SECONDS = 10, 10
    flow, pauses = new_flow(), []
    for _ in range(4):
        begun, stage = datetime.now(UTC), lose_worker(flow)
        pauses.append(0 if stage.not_before is None else (stage.not_before - begun).total_seconds())
    # After the first one nothing waits; each further one waits twice as long, measured from its end.
    assert [round(pause / 10) for pause in pauses] == [0, 1, 2, 4]
    assert Flow.objects.get(pk=flow.pk).status == "waiting"


def test_a_kill_that_took_several_stages_counts_less(new_flow, settings):
    settings.ENGINE_MAX_CRASHES, settings.ENGINE_BACKOFF_SECONDS = 2, 0
    flow = new_flow()
    for _ in range(5):
        assert lose_worker(flow, shared=True).status == "ready"
    # Five shared ones and this one weigh more than two.
    assert lose_worker(flow).status == "failed"
    neighbours = [new_flow(), new_flow()]
    held = [claim(each, worker="host:7:t1") for each in neighbours] + [claim(new_flow(), worker="host:8:t1")]
    assert engine.take_stages_of_dead(["host:7:", "host:8:"]) == 3
    codes = [Attempt.objects.get(stage_id=each.stage_id).error_code for each in held]
    assert codes == ["engine:worker-lost-with-others"] * 2 + ["engine:worker-lost"]


def test_giving_up_costs_no_crash(new_flow):
    flow = new_flow()
    for _ in range(5):
        held = claim(flow)
        assert engine.give_back_stage(held.flow_id, held.stage_id, held.token)
    assert live(flow).crashes == 0


def test_finish_twice_is_finish_once(new_flow):
    flow = new_flow()
    held = claim(flow)
    assert engine.finish(held, Done()).follow_tail
    assert engine.finish(held, Done()).send
    assert kinds(flow).count("stage.passed") == 1


def test_a_parked_stage_waits_with_its_reason_and_comes_back(new_flow):
    flow = new_flow()
    until = datetime.now(UTC) + timedelta(hours=1)
    held = claim(flow)
    finished = engine.finish(held, Park("no tokens left", until, "google"))
    assert not finished.follow_tail
    assert not finished.send
    flow.refresh_from_db()
    stage = live(flow)
    assert (flow.status, stage.status, stage.wait_reason, stage.not_before) == (
        "waiting",
        "waiting",
        "no tokens left",
        until,
    )
    assert engine.release_due_stages() == 0
    let_wait_end(stage.pk)
    assert engine.release_due_stages() == 0  # the time is what people are told; it goes when there is room
    assert capacity.grant_room([stage.pk]) == 1
    assert claim(flow).attempt_number == 2
    flow.refresh_from_db()
    assert flow.status == "running"


def test_a_retryable_failure_is_tried_again_until_attempts_are_used(new_flow, settings):
    settings.ENGINE_MAX_ATTEMPTS = 3
    flow = new_flow()
    for attempt in (1, 2, 3):
        engine.finish(claim(flow), Failed("x:y", "broken", "fix it", retryable=True))
        flow.refresh_from_db()
        if attempt < 3:
            assert flow.status == "waiting"
            let_wait_end(live(flow).pk)
            engine.release_due_stages()
    assert (flow.status, flow.error_code, flow.error_message, flow.error_cure) == (
        "failed",
        "x:y",
        "broken",
        "fix it",
    )
    assert [a.outcome for a in Attempt.objects.order_by("number")] == ["failed"] * 3


def test_a_retry_goes_on_from_the_failed_stage(new_flow, sent, django_capture_on_commit_callbacks):
    flow = new_flow()
    engine.finish(claim(flow), Done(output={"kept": True}))
    engine.finish(claim(flow), Failed("x:y", "broken", "fix it"))
    old = Flow.objects.get(pk=flow.pk).deadline_at
    with django_capture_on_commit_callbacks(execute=True):
        engine.retry(flow.pk, actor="me")
    flow.refresh_from_db()
    assert (flow.status, flow.error_code, flow.finished_at) == ("running", "", None)
    assert flow.deadline_at > old
    assert [stage.status for stage in flow.stages.all()] == ["passed", "ready", "pending"]
    assert [len(chain) for chain in sent][-1] == 2
    engine.finish(claim(flow), Done())
    engine.finish(claim(flow), Done())
    flow.refresh_from_db()
    assert flow.status == "passed"
    with pytest.raises(engine.NotRetryable):
        engine.retry(flow.pk)


def repair() -> Repair:
    return Repair("the feedback", "first", "gate:failed", "A gate failed.", "Fix it.", output={"found": 1})


def test_a_repair_inserts_a_round_with_feedback(new_flow):
    flow = new_flow(settings={"max_repair_rounds": 1})
    engine.finish(claim(flow), Done())
    assert engine.finish(claim(flow), repair()).send
    assert [(s.kind, s.round, s.status) for s in flow.stages.all()] == [
        ("first", 1, "passed"),
        ("second", 1, "failed"),
        ("first", 2, "ready"),
        ("second", 2, "pending"),
        ("third", 1, "pending"),
    ]
    (route,) = engine.list_routes(flow.pk)
    assert [queue for _, queue in route.chain] == ["google", "gates", "control"]
    again = claim(flow)
    assert (again.kind, again.round, again.feedback) == ("first", 2, "the feedback")
    assert "round.inserted" in kinds(flow)


def test_no_round_left_fails_the_flow_and_a_retry_grants_one_more(new_flow):
    flow = new_flow(settings={"max_repair_rounds": 0})
    engine.finish(claim(flow), Done())
    assert not engine.finish(claim(flow), repair()).send
    flow.refresh_from_db()
    assert (flow.status, flow.error_code) == ("failed", "gate:failed")
    engine.retry(flow.pk)
    assert live(flow).round == 2
    for _ in range(3):
        engine.finish(claim(flow), Done())
    flow.refresh_from_db()
    assert flow.status == "passed"


def test_cancel_lets_nothing_through(new_flow):
    flow = new_flow()
    held = claim(flow)
    assert engine.cancel(flow.pk, actor="me")
    assert not engine.cancel(flow.pk)
    with pytest.raises(engine.Fenced):
        engine.finish(held, Done())
    assert engine.renew_leases([(held.stage_id, held.token)]) == set()
    flow.refresh_from_db()
    assert flow.status == "cancelled"
    assert {stage.status for stage in flow.stages.all()} == {"cancelled"}
    assert Attempt.objects.get().outcome == "cancelled"
    assert kinds(flow)[-1] == "flow.cancelled"


def test_a_paused_flow_starts_nothing_and_resumes(new_flow, sent, django_capture_on_commit_callbacks):
    flow = new_flow()
    held = claim(flow)
    assert engine.pause(flow.pk, actor="me", reason="wait for the freeze")
    assert not engine.pause(flow.pk)
    assert not engine.finish(held, Done()).follow_tail
    stage = live(flow)
    assert engine.claim(stage.pk, "w1") is None
    engine.hold_ready_stages(10)
    stage.refresh_from_db()
    assert (stage.status, stage.wait_reason) == ("waiting", "The flow is paused.")
    assert engine.release_held_stages(10) == 0
    before = Flow.objects.get(pk=flow.pk).deadline_at
    with django_capture_on_commit_callbacks(execute=True):
        assert engine.resume(flow.pk)
    flow.refresh_from_db()
    assert flow.status == "running"
    assert flow.deadline_at >= before
    assert sent[-1][0] == (stage.pk, "gates")
    assert claim(flow).kind == "second"


def test_a_flow_paused_in_its_last_stage_passes(new_flow):
    flow = new_flow()
    engine.finish(claim(flow), Done())
    engine.finish(claim(flow), Done())
    held = claim(flow)
    engine.pause(flow.pk)
    engine.finish(held, Done())
    flow.refresh_from_db()
    assert flow.status == "passed"


@pytest.mark.parametrize(("scope", "target"), [("everything", ""), ("repo", "demo"), ("queue", "google")])
def test_a_hold_stops_its_scope_and_says_why(new_flow, scope, target):
    flow = new_flow()
    assert engine.hold(scope, target, actor="me", reason="an incident")
    assert not engine.hold(scope, target)
    stage = live(flow)
    assert engine.claim(stage.pk, "w1") is None
    assert engine.hold_ready_stages(10) == 1
    stage.refresh_from_db()
    assert stage.status == "waiting"
    assert "paused by me: an incident" in stage.wait_reason
    assert engine.release_held_stages(10) == 0
    assert engine.release(scope, target)
    assert engine.release_held_stages(10) == 1
    claim(flow)


def test_a_hold_elsewhere_stops_nothing(new_flow):
    flow = new_flow()
    engine.hold("repo", "another")
    engine.hold("queue", "openai")
    assert engine.hold_ready_stages(10) == 0
    claim(flow)


def test_a_flow_past_its_deadline_fails(new_flow):
    flows = [new_flow(deadline_seconds=-1) for _ in range(2)]
    assert engine.claim(live(flows[0]).pk, "w1") is None
    assert sorted(engine.find_overdue_flows()) == sorted(flow.pk for flow in flows)
    for flow in flows:
        assert engine.fail_overdue_flow(flow.pk)
        flow.refresh_from_db()
        assert (flow.status, flow.error_code) == ("failed", "flow:deadline-exceeded")
    assert engine.find_overdue_flows() == []


def test_what_a_result_carries_is_stored_with_it(new_flow):
    flow = new_flow()
    report = GateReport(
        "coverage", Verdict.FAILED, "too little", score=Decimal("81.5"), findings=(Finding("r", "m"),)
    )
    engine.finish(
        claim(flow),
        Done(artifacts=(NewArtifact("bundle", "b.txt", b"same"), NewArtifact("copy", "c.txt", b"same"))),
    )
    engine.finish(claim(flow), Done(gates=(report,)))
    block = NewBlock("compliance", "pii", b"{}", Decimal(97), verified=True)
    engine.finish(claim(flow), Done(block=block))
    assert {a.kind: bytes(a.blob.content) for a in flow.artifacts.all()} == {
        "bundle": b"same",
        "copy": b"same",
    }
    result = flow.gate_results.get()
    assert (result.gate, result.verdict, result.score, result.round) == (
        "coverage",
        "failed",
        Decimal("81.50"),
        1,
    )
    assert result.findings[0]["rule"] == "r"
    assert Block.objects.get().version == 1


def test_versions_of_a_block_count_up(new_flow):
    for _ in range(2):
        flow = new_flow()
        engine.finish(claim(flow), Done())
        engine.finish(claim(flow), Done())
        engine.finish(
            claim(flow), Done(block=NewBlock("compliance", "pii", b"{}", Decimal(97), verified=True))
        )
    assert sorted(Block.objects.values_list("version", flat=True)) == [1, 2]


def test_the_cost_is_the_sum_of_the_ledger_once(new_flow):
    flow = new_flow()
    held = claim(flow)
    for cost in ("0.25", "0.5"):
        scenes.record_call(held, "google", "m", cost)
    unknown = scenes.reserve_call(held, "google", "m", "7")
    limiter.keep_charged(unknown, "google", code="provider:lost", message="no answer")
    engine.finish(held, Done())
    engine.finish(held, Done())
    flow.refresh_from_db()
    assert flow.cost_usd == Decimal("7.75") == ledger.sum_committed_usd(flow.pk)
    assert flow.events.get(kind="stage.passed").data["cost_usd"].startswith("7.75")


def test_what_a_lost_worker_spent_reaches_the_cost_also_after_the_end(new_flow, clock):  # noqa: F811
    flow = new_flow()
    scenes.reserve_call(claim(flow), "google", "m", "0.3")
    engine.cancel(flow.pk)
    assert engine.refresh_late_costs() == 0
    clock.step(seconds=91)
    # Any look at the provider ends leases that ran out.
    limiter.find_denial("google")
    assert engine.refresh_late_costs(10**9) == 1
    assert engine.refresh_late_costs(10**9) == 0
    flow.refresh_from_db()
    assert flow.cost_usd == Decimal("0.3") == ledger.sum_committed_usd(flow.pk)


def test_a_move_outside_the_table_is_refused_by_the_database(new_flow):
    flow = new_flow()
    with pytest.raises(IntegrityError, match="cannot move from pending to passed"), transaction.atomic():
        Flow.objects.filter(pk=flow.pk).update(status="passed", finished_at=datetime.now(UTC))
    with pytest.raises(IntegrityError, match="cannot move from ready to passed"), transaction.atomic():
        Stage.objects.filter(pk=live(flow).pk).update(status="passed")
