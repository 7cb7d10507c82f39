"""What the events of a flow say: followers, pages and the audit read nothing else."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection

from orchestrator.flows import engine
from orchestrator.flows.engine.errors import EngineError
from orchestrator.flows.models import Attempt, Flow, Stage
from orchestrator.flows.stage_protocol import Done, Failed, Park, Repair, StageResult
from tests.flows.engine.conftest import claim, let_lease_run_out, let_wait_end, live

pytestmark = pytest.mark.django_db
NEVER_THE_SAME = ("seconds", "until")


@pytest.fixture
def news(new_flow, settings):
    """A flow, and what its events have said since the last look: kind and data without measured times."""
    settings.ENGINE_MAX_ATTEMPTS = 3
    flow = new_flow(created_by="ci", priority=2, settings={"max_repair_rounds": 1})
    seen = 0

    def read() -> list[tuple[str, dict[str, Any]]]:
        nonlocal seen
        told = []
        for event in flow.events.filter(id__gt=seen).order_by("id"):
            seen = event.id
            assert all(event.data.get(name, 0) is not None for name in NEVER_THE_SAME), event.data
            data = {name: value for name, value in event.data.items() if name not in NEVER_THE_SAME}
            # The stage in words and the stage of the row are the same one.
            assert data.get("stage") == (event.stage.kind if "stage" in data else None)
            told.append((event.kind, data))
        return told

    return flow, read


FIRST = {"stage": "first", "round": 1}
READY = ("stage.ready", FIRST | {"queue": "google"})


def measure_pause(stage: Stage) -> float:
    """Seconds from the failure of a stage to its next attempt; one statement writes both."""
    return round((stage.not_before - stage.waiting_since).total_seconds(), 1)


def started(attempt: int, worker: str = "w1", **stage: Any) -> tuple[str, dict[str, Any]]:
    return "stage.started", FIRST | {"attempt": attempt, "worker": worker} | stage


def test_a_new_flow(news):
    _, read = news
    assert read() == [
        ("flow.created", {"by": "ci", "flow_type": "scripted", "priority": 2}),
        READY,
    ]


def test_a_wait_for_a_provider_and_its_end_by_a_person(news):
    flow, read = news
    read()
    held = claim(flow)
    engine.finish(held, Park("no tokens left", datetime.now(UTC) + timedelta(hours=1), "google", tokens=9))
    assert read() == [
        started(1),
        ("stage.waiting", FIRST | {"reason": "no tokens left", "provider": "google"}),
    ]
    assert (live(flow).wait_tokens, live(flow).failures) == (9, 0), "a wait is not a failure"
    attempt = Attempt.objects.get()
    assert (attempt.error_message, attempt.error_code) == ("no tokens left", "")
    assert (attempt.model, attempt.fallback_from) == ("", "")
    engine.retry(flow.pk, actor="ann")
    assert read() == [("flow.retried", {"by": "ann"}), READY]


def test_a_failure_that_is_tried_again_and_one_that_is_not(news, settings):
    flow, read = news
    read()
    settings.ENGINE_BACKOFF_SECONDS = 8
    broken = Failed("x:y", "broken", "fix it", retryable=True)
    for tries, pause in ((1, 8), (2, 16)):
        engine.finish(claim(flow), broken, engine.Spent("m-1", "m-0"))
        assert read() == [
            started(tries),
            ("stage.waiting", FIRST | {"reason": f"Attempt {tries} of 3 failed: broken"}),
        ]
        stage = live(flow)
        assert measure_pause(stage) == pause
        let_wait_end(stage.pk)
        assert engine.release_due_stages() == 1
        assert read() == [READY]
    engine.finish(claim(flow), broken, engine.Spent("m-1", "m-0"))
    assert read() == [
        started(3),
        (
            "stage.failed",
            FIRST | {"code": "x:y", "reason": "broken", "cure": "fix it", "worker": "w1"},
        ),
        ("flow.failed", {"code": "x:y", "reason": "broken", "cure": "fix it"}),
    ]
    assert set(Attempt.objects.values_list("error_code", "error_message", "model", "fallback_from")) == {
        ("x:y", "broken", "m-1", "m-0")
    }
    engine.retry(flow.pk, actor="ann")
    assert flow.events.get(kind="flow.retried").stage_id == live(flow).pk
    assert read() == [("flow.retried", {"by": "ann"}), READY]


def test_the_longest_pause_after_a_failure(news, settings):
    flow, _ = news
    settings.ENGINE_BACKOFF_SECONDS, settings.ENGINE_MAX_ATTEMPTS = 200, 9
    for _ in range(2):
        engine.finish(claim(flow), Failed("x:y", "broken", "fix it", retryable=True))
        stage = live(flow)
        pause = measure_pause(stage)
        let_wait_end(stage.pk)
        engine.release_due_stages()
    assert pause == 300


def test_a_worker_that_is_lost_one_that_stops_and_one_too_many(news):
    flow, read = news
    read()
    held = claim(flow, "w1")
    let_lease_run_out(held.stage_id)
    assert engine.expire_lease(held.flow_id, held.stage_id, held.token)
    lost = "The worker w1 was lost."
    assert read() == [started(1), ("stage.ready", READY[1] | {"reason": lost, "worker": "w1"})]
    held = claim(flow, "w2")
    assert engine.give_back_stages(["w2"]) == 1
    stopped = "The worker stopped before the stage was done."
    assert read() == [started(2, "w2"), ("stage.ready", READY[1] | {"reason": stopped, "worker": "w2"})]
    assert list(Attempt.objects.order_by("id").values_list("outcome", "error_code", "error_message")) == [
        ("expired", "engine:worker-lost", lost),
        ("expired", "engine:worker-stopped", stopped),
    ]
    claim(flow, "w3")
    assert engine.take_stages_of_dead(["w3"]) == 1
    let_wait_end(live(flow).pk)
    engine.release_due_stages()
    claim(flow, "w4")
    read()
    assert engine.take_stages_of_dead(["w4"]) == 1
    reason = {
        "code": "engine:worker-crashed",
        "reason": "The stage first lost its worker 3 times, last w4.",
        "cure": "Look for what kills the worker (memory, the node); then retry the flow.",
    }
    assert read() == [("stage.failed", FIRST | reason | {"worker": "w4"}), ("flow.failed", reason)]


def test_a_deadline(news):
    flow, read = news
    claim(flow)
    read()
    assert engine.find_overdue_flows() == []
    with connection.cursor() as cursor:
        cursor.execute("UPDATE flows_flow SET deadline_at = now() - interval '1 second'")
    assert engine.fail_overdue_flow(flow.pk)
    assert not engine.fail_overdue_flow(flow.pk)
    assert not engine.fail_overdue_flow("task_unknown")
    reason = {
        "code": "flow:deadline-exceeded",
        "reason": "The flow did not end before its deadline.",
        "cure": "See which stage took the time; retry the flow for a new deadline, or raise "
        "FLOW_DEADLINE_SECONDS.",
    }
    assert read() == [("stage.failed", FIRST | reason), ("flow.failed", reason)]
    attempt = Attempt.objects.get()
    assert (attempt.outcome, attempt.error_code, attempt.error_message) == (
        "expired",
        reason["code"],
        reason["reason"],
    )


def test_a_pause_a_resume_and_a_cancel_say_who_and_why(news):
    flow, read = news
    read()
    assert engine.pause(flow.pk, actor="ann", reason="an incident")
    assert live(flow).wait_reason == "The flow is paused by ann: an incident"
    assert engine.resume(flow.pk, actor="bob")
    assert not engine.resume(flow.pk, actor="bob")
    assert read() == [
        ("flow.paused", {"by": "ann", "reason": "an incident"}),
        ("flow.resumed", {"by": "bob"}),
        READY,
    ]
    assert engine.pause(flow.pk)
    assert live(flow).wait_reason == "The flow is paused."
    engine.set_priority(flow.pk, 7, actor="ann")
    assert engine.cancel(flow.pk, actor="bob", reason="not needed")
    assert read() == [
        ("flow.paused", {"by": "", "reason": ""}),
        ("flow.priority", {"by": "ann", "priority": 7}),
        ("flow.cancelled", {"by": "bob", "reason": "not needed"}),
    ]
    for verb in (engine.pause, engine.resume):
        with pytest.raises(engine.NotPausable, match=f"{flow.pk} has ended"):
            verb(flow.pk)
        with pytest.raises(engine.NotPausable, match="task_unknown has ended"):
            verb("task_unknown")
    with pytest.raises(engine.NotRetryable, match="task_unknown is unknown; only a flow that failed"):
        engine.retry("task_unknown")
    engine.set_priority("task_unknown", 1)
    engine.retry(flow.pk, actor="ann")
    assert read() == [("flow.retried", {"by": "ann"}), READY]
    with pytest.raises(engine.NotRetryable, match=f"{flow.pk} is running; .* waits for a provider can be"):
        engine.retry(flow.pk)


def test_nobody_is_named_where_nobody_says_who_it_was(news):
    flow, _ = news
    engine.pause(flow.pk)
    engine.resume(flow.pk)
    engine.set_priority(flow.pk, 1)
    engine.cancel(flow.pk)
    engine.retry(flow.pk)
    told = {event.kind: event.data for event in flow.events.all() if event.stage is None}
    assert (told["flow.resumed"], told["flow.retried"]) == ({"by": ""}, {"by": ""})
    assert (told["flow.priority"]["by"], told["flow.cancelled"]) == ("", {"by": "", "reason": ""})


def test_a_flow_of_which_only_the_request_is_given(repo, sent):
    made = engine.create(repo, "x")
    kept = Flow.objects.get(pk=made.pk)
    names = ("flow_type", "block_family", "snapshot_id", "created_by", "idempotency_key", "priority")
    assert {name: getattr(kept, name) for name in names} == {
        "flow_type": "plan_impl_review_docs",
        "block_family": "",
        "snapshot_id": None,
        "created_by": "",
        "idempotency_key": None,
        "priority": 0,
    }
    columns = [field.attname for field in Flow._meta.concrete_fields]
    assert {name: getattr(made, name) for name in columns} == {name: getattr(kept, name) for name in columns}
    made.save()  # an update, of the row that is there
    assert Flow.objects.count() == 1
    held = claim(made)
    assert (held.turn, held.flow_type, held.settings) == ("", kept.flow_type, kept.settings)
    engine.finish(held, Done())
    attempt = Attempt.objects.get()
    assert (attempt.model, attempt.fallback_from) == ("", "")


@pytest.mark.parametrize(
    ("refusal", "code", "cure"),
    [
        (engine.IdempotencyConflict, "flow:idempotency-conflict", "Use a new Idempotency-Key for a new"),
        (engine.NotRetryable, "flow:not-failed", "Wait for the flow to end, or create a new flow."),
        (engine.NotPausable, "flow:ended", "Nothing is left to pause or resume."),
        (engine.Fenced, "engine:fenced", "Stop: the worker that holds the stage now continues with it."),
        (EngineError, "engine:refused", ""),
    ],
)
def test_a_refusal_has_a_stable_code_and_a_cure(refusal, code, cure):
    told = refusal("no")
    assert (told.code, told.http_status) == (code, 409)
    assert told.cure.startswith(cure)
    assert bool(told.cure) == bool(cure)


def test_a_repair_round_and_one_too_many(news):
    flow, read = news
    engine.finish(claim(flow), Done())
    read()
    asked = Repair("do better", "first", "gate:failed", "A gate failed.", "Fix it.")
    engine.finish(claim(flow), asked, engine.Spent("m-1", "m-0"))
    reason = {"code": "gate:failed", "reason": "A gate failed.", "cure": "Fix it."}
    second: dict[str, Any] = {"stage": "second", "round": 1}
    assert read() == [
        started(1, **second),
        ("stage.failed", second | reason | {"worker": "w1"}),
        ("round.inserted", {"round": 2, "stages": ["first", "second"]}),
        ("stage.ready", {"stage": "first", "round": 2, "queue": "google"}),
    ]
    attempt = Attempt.objects.get(outcome="failed")
    assert (attempt.error_code, attempt.error_message, attempt.model, attempt.fallback_from) == (
        "gate:failed",
        "A gate failed.",
        "m-1",
        "m-0",
    )
    engine.finish(claim(flow), Done())
    read()
    engine.finish(claim(flow), asked)
    second = {"stage": "second", "round": 2}
    assert read() == [
        started(1, **second),
        ("stage.failed", second | reason | {"worker": "w1"}),
        ("flow.failed", reason),
    ]


@pytest.mark.parametrize("end", ["parked", "failed", "tried again", "repaired"])
def test_no_secret_reaches_rows_and_events(news, end):
    flow, read = news
    key = "sk-proj-" + "a1B2c3D4" * 6
    text = f"openai: HTTP 401: Incorrect API key provided: {key}."
    results: dict[str, StageResult] = {
        "parked": Park(text, datetime.now(UTC) + timedelta(hours=1)),
        "failed": Failed("x:y", text, "fix it"),
        "tried again": Failed("x:y", text, "fix it", retryable=True),
        "repaired": Repair("", "first", "x:y", text, "fix it"),
    }
    engine.finish(claim(flow), results[end])
    rows = [list(model.objects.values()) for model in (Flow, Stage, Attempt)]
    told = f"{read()} {rows}"
    assert key not in told
    assert "Incorrect API key provided: [REDACTED]" in told


def test_a_long_reason_is_cut(news):
    flow, _ = news
    engine.finish(claim(flow), Park("x" * 5000, datetime.now(UTC) + timedelta(hours=1)))
    assert (len(live(flow).wait_reason), len(Attempt.objects.get().error_message)) == (4000, 4000)
    engine.retry(flow.pk)
    engine.finish(claim(flow), Failed("x:y", "y" * 5000, "fix it"))
    assert len(Flow.objects.get(pk=flow.pk).error_message) == 4000
