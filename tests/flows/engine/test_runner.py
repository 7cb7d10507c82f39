"""What happens to a stage that runs: results, errors, fences. Only the model calls are not real."""

import hashlib
import os
import threading
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import uuid4

import psycopg
import pytest
from celery.worker import state
from django.db import connection, transaction

from orchestrator.flows import engine
from orchestrator.flows.engine import dispatch_queue
from orchestrator.flows.engine.routes import Route
from orchestrator.flows.evidence import store
from orchestrator.flows.models import Flow
from orchestrator.flows.stage_protocol import Done, NewArtifact
from orchestrator.flows.worker import heartbeat, runner
from orchestrator.flows.worker.heartbeat import RunningAttempt
from orchestrator.flows.worker.kept_branches import KeptBranches
from orchestrator.flows.worker.stage_context import LiveStageContext
from providers import base, calls, limiter
from providers.base import Completion, Request, StopReason, Usage
from providers.calls import ModelAnswer
from providers.limiter import ReservationRequest
from tests.databases import url_of_test_database
from tests.flows.engine.conftest import claim, let_wait_end, live
from tests.flows.engine.stack import until

pytestmark = pytest.mark.django_db(transaction=True)
REQUEST = Request(
    model="m", system="s", prompt="p", max_output_tokens=10, timeout_seconds=5, prompt_name="plan.v3"
)
ANSWER = ModelAnswer(
    Completion("hi", StopReason.END, Usage(), "m-7", "r", {}),
    uuid4(),
    Decimal("0.1"),
    "google",
    "m-7",
    fallback_from="m-6",
)


class Asks:
    """A stage that makes one call."""

    kind = "first"

    def run(self, work):
        work.call_model("google", REQUEST)
        return Done()


@pytest.fixture
def asks(monkeypatch):
    """Every stage asks a model."""
    monkeypatch.setattr(runner, "load_stage", lambda kind: Asks())


def run(flow) -> bool:
    """Run the live stage; whether the chain continues."""
    return runner.run_stages(live(flow).pk)


def test_a_pass_goes_on_with_the_chain_and_a_duplicate_does_not(new_flow):
    flow = new_flow()
    stage = live(flow)
    assert runner.run_stages(stage.pk)
    assert not runner.run_stages(stage.pk)


@pytest.fixture
def serves(monkeypatch):
    """This process as the worker of some queues."""

    def start(*queues):
        monkeypatch.setattr(runner, "_served", runner.ServedQueues(os.getpid(), frozenset(queues)))

    return start


def kinds(flow) -> list[tuple[str, str]]:
    return list(flow.stages.order_by("position").values_list("kind", "status"))


def test_a_worker_goes_on_with_what_it_serves_and_sends_the_rest(new_flow, serves, sent):
    serves("google", "gates")
    flow = new_flow()
    sent.clear()
    assert not run(flow)
    assert kinds(flow) == [("first", "passed"), ("second", "passed"), ("third", "ready")]
    third = live(flow)
    assert [list(chain) for chain in sent] == [[(third.pk, third.queue)]]
    workers = set(flow.stages.filter(status="passed").values_list("worker", flat=True))
    assert len(workers) == 1


def test_a_worker_takes_a_flow_to_its_end_without_a_message(new_flow, serves, sent):
    serves("google", "gates", "control")
    flow = new_flow()
    sent.clear()
    assert not run(flow)
    flow.refresh_from_db()
    assert flow.status == "passed"
    assert sent == []
    assert list(flow.stages.values_list("attempts__outcome", "attempts__number")) == [("passed", 1)] * 3
    told = list(flow.events.values_list("kind", flat=True))
    assert told == ["flow.created", "stage.ready", *["stage.started", "stage.passed"] * 3, "flow.passed"]


FORK_QUEUES = ("google", "gates", "anthropic", "openai", "control")


def test_a_worker_with_one_thread_runs_the_branches_of_a_fork_one_by_one(new_flow, serves, sent, monkeypatch):
    serves(*FORK_QUEUES)
    monkeypatch.setattr(runner, "kept_branches", KeptBranches(seconds=600))
    flow = new_flow(flow_type="forked")
    sent.clear()
    claimed: list[int] = []
    by_itself = engine.claim
    monkeypatch.setattr(engine, "claim", lambda pk, worker: claimed.append(pk) or by_itself(pk, worker))
    assert not run(flow)
    flow.refresh_from_db()
    assert (flow.status, sent) == ("passed", [])
    # Each branch is claimed by the finish of the one before it.
    assert claimed == [flow.stages.get(kind="first").pk]
    assert list(flow.stages.values_list("attempts__outcome", "attempts__number")) == [("passed", 1)] * 5
    assert set(flow.stages.values_list("sends", flat=True)) == {1}
    assert runner.kept_branches.take() is None


def test_a_branch_of_a_queue_that_the_worker_does_not_serve_is_sent_at_once(
    new_flow, serves, sent, monkeypatch
):
    serves("google", "anthropic", "control")
    monkeypatch.setattr(runner, "kept_branches", KeptBranches(seconds=600))
    flow = new_flow(flow_type="forked")
    sent.clear()
    assert not run(flow)
    (ready,) = flow.stages.filter(status="ready")
    assert sent == [[(ready.pk, "gates")]]
    assert ready.kind == "left"
    assert flow.stages.filter(status="passed").count() == 3


def test_a_branch_that_no_thread_takes_in_time_goes_to_the_broker(sent):
    kept = KeptBranches(seconds=0.01)
    kept.keep("f", Route(((1, "google"),)))
    until(lambda: sent == [[(1, "google")]], "the message of the branch")
    assert kept.take() is None
    kept = KeptBranches(seconds=600)
    kept.keep("f", Route(((2, "google"),)))
    kept.keep("f", Route(((3, "google"),)))
    assert [kept.take(), kept.take(), kept.take()] == [2, 3, None]


def test_a_branch_that_was_offered_and_not_taken_comes_back() -> None:
    kept = KeptBranches(seconds=600)
    for flow, stage in (("f", 1), ("g", 2), ("g", 3)):
        kept.keep(flow, Route(((stage, "google"),)))
    with kept.offer("none") as branch:
        assert branch is None
    with kept.offer("g") as branch:
        assert branch is not None
        branch.taken = True
        assert branch.stage_id == 2
    with kept.offer("g"):
        assert [kept.take(), kept.take()] == [1, None]
    assert [kept.take(), kept.take()] == [3, None]


def test_a_worker_that_leaves_takes_no_branch(new_flow, serves, sent, monkeypatch):
    serves(*FORK_QUEUES)
    flow = new_flow(flow_type="forked")
    kept = KeptBranches(seconds=600)
    kept.keep(flow.pk, Route(((live(flow).pk, "google"),)))
    monkeypatch.setattr(runner, "kept_branches", kept)
    monkeypatch.setattr(state, "should_stop", 0)
    assert runner._claim_kept_branch("w") is None
    assert live(flow).status == "ready"


@pytest.mark.parametrize(
    "change", ["full", "repo", "queue", "everything", "paused", "late", "leaving", "child"]
)
def test_a_worker_goes_no_further_than_it_may(new_flow, serves, sent, monkeypatch, change):
    serves("google", "gates", "control")
    flow = new_flow()
    held = claim(flow)
    match change:
        case "full":
            dispatch_queue.publish_full_queues(["gates"], [], 60)
        case "repo":
            engine.hold("repo", flow.repo.name)
        case "queue":
            engine.hold("queue", "gates")
        case "everything":
            engine.hold("everything")
        case "paused":
            engine.pause(flow.pk)
        case "late":
            Flow.objects.filter(pk=flow.pk).update(deadline_at=datetime.now(UTC))
        case "leaving":
            monkeypatch.setattr(state, "should_stop", 0)
        case "child":
            monkeypatch.setattr(runner.os, "getpid", lambda: -1)
    assert engine.finish(held, Done(), onward=runner.served_queues()).claimed is None
    assert kinds(flow) == [("first", "passed"), ("second", "ready"), ("third", "pending")]


def test_a_stage_taken_at_once_can_be_finished_beaten_for_and_fenced(new_flow):
    flow = new_flow()
    second = engine.finish(claim(flow), Done(), onward=["gates", "control"]).claimed
    assert second is not None
    assert second.kind == "second"
    assert second.attempt_number == 1
    assert engine.renew_leases([(second.stage_id, second.token)]) == {second.token}
    third = engine.finish(second, Done(), onward=["gates", "control"]).claimed
    assert third is not None
    engine.cancel(flow.pk)
    with pytest.raises(engine.Fenced):
        engine.finish(third, Done(), onward=["control"])


def test_a_stage_taken_at_once_whose_answer_was_lost_comes_back_by_its_lease(new_flow, settings):
    settings.ENGINE_LEASE_SECONDS = 0
    flow = new_flow()
    held = claim(flow)
    assert engine.finish(held, Done(), onward=["gates"]).claimed is not None
    assert engine.finish(held, Done(), onward=["gates"]) == engine.Finished()
    (lost,) = [row for row in engine.find_expired_leases() if row.flow_id == flow.pk]
    assert engine.expire_lease(lost.flow_id, lost.id, lost.token)
    assert kinds(flow)[1] == ("second", "ready")


def test_a_repair_sends_the_new_chain_and_drops_the_old(new_flow, sent):
    flow = new_flow("second: repair 1")
    assert run(flow)
    sent.clear()
    assert not run(flow)
    assert [len(chain) for chain in sent] == [3]


def test_an_unforeseen_error_shows_its_type_and_nothing_else(new_flow, caplog):
    flow = new_flow("first: crash")
    assert not run(flow)
    stage = live(flow)
    assert stage.status == "waiting"
    assert "ZeroDivisionError" in stage.wait_reason
    assert "sk-this" not in stage.wait_reason + caplog.text


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (
            base.NotAdmitted("google", "tokens_day", "used up", datetime.now(UTC) + timedelta(hours=1)),
            "waiting",
            "",
        ),
        (base.RateLimited("google", retry_after_seconds=30), "waiting", ""),
        (base.Overloaded("google"), "waiting", ""),
        (base.NeverAdmissible("too large"), "failed", "provider:request-too-large"),
        (base.AuthenticationFailed("google"), "failed", "provider:authentication-failed"),
    ],
)
def test_every_error_of_a_call_becomes_a_result(new_flow, asks, monkeypatch, error, status, code):
    def refuse(provider, request, caller):
        raise error

    monkeypatch.setattr(calls, "call_model", refuse)
    flow = new_flow()
    stage = live(flow)
    assert not run(flow)
    stage.refresh_from_db()
    assert (stage.status, stage.error_code) == (status, code)


def test_a_call_that_is_not_admitted_says_what_it_waits_for(new_flow, asks, monkeypatch):
    until = datetime.now(UTC) + timedelta(minutes=3)

    def refuse(provider, request, caller):
        raise base.NotAdmitted("google", "tokens_day", "500,000 tokens are used up", until)

    monkeypatch.setattr(calls, "call_model", refuse)
    flow = new_flow()
    run(flow)
    stage = live(flow)
    assert (stage.wait_reason, stage.waits_for, stage.not_before) == (
        "500,000 tokens are used up",
        "google",
        until,
    )
    assert stage.failures == 0


def test_a_worker_whose_clock_is_wrong_waits_no_longer(new_flow, asks, monkeypatch):
    class AnHourAhead(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime.now(tz) + timedelta(hours=1)

    def refuse(provider, request, caller):
        raise base.RateLimited("google", retry_after_seconds=30)

    monkeypatch.setattr(calls, "call_model", refuse)
    monkeypatch.setattr(runner, "datetime", AnHourAhead, raising=False)
    flow = new_flow()
    run(flow)
    assert live(flow).not_before < datetime.now(UTC) + timedelta(minutes=5)


def test_what_was_settled_before_the_fence_was_known_is_in_the_flows_cost(new_flow, asks, monkeypatch):
    flow = new_flow()

    def answer_after_a_cancel(provider, request, caller):
        engine.cancel(flow.pk)
        wanted = ReservationRequest("google", "m", 1, 10**9, timeout_seconds=60, flow_id=flow.pk)
        limiter.settle(limiter.acquire(wanted).call_id, "google", Usage(input_tokens=1), Decimal("0.1"), {})
        return ANSWER

    monkeypatch.setattr(calls, "call_model", answer_after_a_cancel)
    assert not run(flow)
    flow.refresh_from_db()
    assert (flow.status, flow.cost_usd) == ("cancelled", Decimal("0.1"))


def test_a_call_does_not_leave_after_a_cancel_that_no_beat_has_told_of(new_flow, monkeypatch):
    flow = new_flow()
    held = claim(flow)
    monkeypatch.setattr(calls, "call_model", lambda *asked: pytest.fail("a call left after the cancel"))
    engine.cancel(flow.pk)
    with pytest.raises(engine.Fenced):
        LiveStageContext(RunningAttempt(held)).call_model("google", REQUEST)


def test_an_answer_is_told_from_whom(new_flow, asks, monkeypatch):
    seen = []
    monkeypatch.setattr(calls, "call_model", lambda provider, request, caller: seen.append(caller) or ANSWER)
    flow = new_flow(settings={"fallback.model": "m-9"})
    stage = live(flow)
    assert run(flow)
    attempt = stage.attempts.get()
    assert (attempt.model, attempt.fallback_from, attempt.prompt) == ("m-7", "m-6", "plan.v3")
    (caller,) = seen
    assert (caller.repo, caller.flow_id, caller.stage_id, caller.attempt_id) == (
        "demo",
        flow.pk,
        stage.pk,
        attempt.pk,
    )
    assert caller.fallback_model == "m-9"


def test_a_cancel_aborts_a_call_within_a_heartbeat_and_nothing_gets_through(
    new_flow, asks, monkeypatch, settings
):
    settings.ENGINE_LEASE_SECONDS = 1
    monkeypatch.setattr(heartbeat, "heartbeat", heartbeat.Heartbeat())
    monkeypatch.setattr(runner, "heartbeat", heartbeat.heartbeat)
    called, may_answer = threading.Event(), threading.Event()

    def slow(provider, request, caller):
        called.set()
        may_answer.wait(30)
        return ANSWER

    monkeypatch.setattr(calls, "call_model", slow)
    flow = new_flow()
    went_on = []
    worker = threading.Thread(target=lambda: went_on.append(run(flow)))
    worker.start()
    assert called.wait(10)
    engine.cancel(flow.pk)
    worker.join(10)  # ends although the provider has not answered
    assert went_on == [False]
    may_answer.set()
    flow.refresh_from_db()
    assert flow.status == "cancelled"


def test_a_fenced_attempt_may_say_nothing_more(new_flow):
    flow = new_flow()
    held = claim(flow)
    work = LiveStageContext(RunningAttempt(held))
    work.report_progress("half way", share=0.5)
    assert flow.events.get(kind="stage.progress").data == {
        "stage": "first",
        "round": 1,
        "message": "half way",
        "share": 0.5,
    }
    engine.cancel(flow.pk)
    with pytest.raises(engine.Fenced):
        work.report_progress("more")


def test_progress_that_has_waited_for_a_cancel_is_not_told(new_flow):
    flow = new_flow()
    held = claim(flow)
    came_to = []

    def say() -> None:
        try:
            engine.record_progress(held, "half way", {})
            came_to.append("told")
        except engine.Fenced:
            came_to.append("fenced")
        finally:
            connection.close()

    speaker = threading.Thread(target=say)
    with transaction.atomic():
        engine.cancel(flow.pk)
        speaker.start()
        with connection.cursor() as cursor:
            while not came_to:
                cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
                if cursor.fetchone()[0]:
                    break
    speaker.join(30)
    assert came_to == ["fenced"]
    assert flow.events.last().kind == "flow.cancelled"


def test_the_nonce_is_the_stages_own_and_stays(new_flow):
    held = claim(new_flow())
    other = claim(new_flow())
    assert (
        LiveStageContext(RunningAttempt(held)).nonce
        == LiveStageContext(RunningAttempt(held)).nonce
        != LiveStageContext(RunningAttempt(other)).nonce
    )


def test_work_reads_what_earlier_stages_left(new_flow):
    flow = new_flow(snapshot=b"{}")
    engine.finish(claim(flow), Done(output={"n": 1}, artifacts=(NewArtifact("bundle", "b", b"bytes"),)))
    work = LiveStageContext(RunningAttempt(claim(flow)))
    assert work.read_output("first") == {"n": 1}
    assert work.read_output("third") == {}
    assert work.read_artifact("bundle") == b"bytes"
    assert work.read_artifact("nothing") is None
    assert work.snapshot == b"{}"
    assert LiveStageContext(RunningAttempt(claim(new_flow()))).snapshot == b""


def test_what_is_stored_is_in_the_evidence_store_at_once_and_only_for_the_live_attempt(
    new_flow, settings, tmp_path
):
    settings.STATE_DIR = tmp_path
    work = LiveStageContext(RunningAttempt(claim(new_flow())))
    digest = work.store_evidence(b"a bundle")
    assert digest == hashlib.sha256(b"a bundle").hexdigest() == work.store_evidence(b"a bundle")
    assert store.current_store().get(store.content_key(digest)) == b"a bundle"
    work._attempt.fence()
    with pytest.raises(engine.Fenced):
        work.store_evidence(b"more")
    assert store.current_store().get(store.content_key(hashlib.sha256(b"more").hexdigest())) is None


class Stores:
    """A stage that keeps something before it asks a model."""

    kind = "first"

    def run(self, work):
        work.store_evidence(b"a bundle")
        return Asks().run(work)


def test_a_store_that_cannot_be_written_is_tried_again_and_no_model_is_asked(
    new_flow, monkeypatch, settings, tmp_path
):
    settings.STATE_DIR = tmp_path
    asked = []
    monkeypatch.setattr(runner, "load_stage", lambda kind: Stores())
    monkeypatch.setattr(calls, "call_model", lambda *given: asked.append(given) or ANSWER)
    (tmp_path / "evidence").write_text("a file where the folder should be")
    flow = new_flow()
    for _ in range(settings.ENGINE_MAX_ATTEMPTS - 1):
        assert not run(flow)
        stage = live(flow)
        assert (stage.status, stage.attempts.last().error_code) == ("waiting", "evidence:store-unavailable")
        let_wait_end(stage.pk)
        engine.release_due_stages()
    (tmp_path / "evidence").unlink()
    assert run(flow)
    assert len(asked) == 1
    assert (
        store.current_store().get(store.content_key(hashlib.sha256(b"a bundle").hexdigest())) == b"a bundle"
    )


class LosesDatabase:
    """A stage whose session the database ends, the first time that it runs."""

    kind = "first"

    def run(self, work):
        if work.attempt_number == 1:
            connection.ensure_connection()
            with psycopg.connect(url_of_test_database()) as other:
                other.execute("SELECT pg_terminate_backend(%s)", [connection.connection.info.backend_pid])
            Flow.objects.count()
        return Done()


def test_a_database_that_goes_away_counts_neither_as_failure_nor_as_crash(new_flow, monkeypatch):
    monkeypatch.setattr(runner, "load_stage", lambda kind: LosesDatabase())
    flow = new_flow()
    assert not run(flow)
    stage = live(flow)
    assert (stage.kind, stage.status, stage.crashes) == ("first", "ready", 0)
    (lost,) = stage.attempts.all()
    assert (lost.outcome, lost.error_code) == ("expired", "engine:worker-stopped")
    assert run(flow)
    assert live(flow).kind == "second"
