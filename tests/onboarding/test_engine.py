"""The engine of onboarding: claims, fences, waits, retries, and each door done twice."""

import threading
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection

from onboarding import engine, runner, schedule
from onboarding.models import OnboardingRequest, OnboardingStep
from onboarding.step_protocol import (
    Expired,
    FarSideTrouble,
    Passed,
    Refused,
    StepAnswer,
    StepContext,
    StepTakenOver,
    Waiting,
)
from onboarding.step_registry import CHECKS, PROVISIONING
from orchestrator.repos.registration import register_repo
from tests.onboarding.steps import ask_for, run_due_steps

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("two_steps")]


class Scripted:
    """A step that answers what the test says, the last answer again and again."""

    title = "A step of a test"

    def __init__(self, name: str, *answers: StepAnswer | Exception) -> None:
        self.name, self.answers = name, list(answers)
        self.seen: list[StepContext] = []
        self.undone = 0

    def run(self, context: StepContext) -> StepAnswer:
        self.seen.append(context)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def undo(self, context: StepContext) -> StepAnswer:
        self.undone += 1
        return self.run(context)


@pytest.fixture
def registry(monkeypatch) -> Callable[..., None]:
    """Put steps into the place of the product's."""
    steps: dict[str, Scripted] = {}

    def put(table: Any, *scripted: Scripted) -> None:
        steps.update({step.name: step for step in scripted})
        monkeypatch.setattr(table, "_members", {step.name: f"test:{step.name}" for step in scripted})
        monkeypatch.setattr(table, "_loaded", {f"test:{step.name}": step for step in scripted})

    return put


def read_step(request: OnboardingRequest, name: str, kind: str = "check") -> OnboardingStep:
    return OnboardingStep.objects.get(request=request, name=name, kind=kind)


def read_status(request: OnboardingRequest) -> str:
    return OnboardingRequest.objects.get(pk=request.pk).status


def test_steps_run_in_their_order_and_outputs_are_handed_on(registry):
    first, lead = Scripted("first", Passed({"id": 7})), Scripted("lead_approved", Passed({}))
    made = Scripted("registration", Passed({}))
    registry(CHECKS, first, lead)
    request = ask_for()
    engine.approve(request.pk, actor="lead@example.org")
    assert run_due_steps() == 3
    assert read_status(request) == "ready"
    assert lead.seen[0].outputs == {"first": {"id": 7}}
    assert (lead.seen[0].request.approved_by, made.seen) == ("lead@example.org", [])
    # What has passed is never asked again.
    assert run_due_steps() == 0
    assert len(first.seen) == 1


def test_of_two_claims_one_wins():
    ask_for()
    (step,) = engine.find_due_steps()
    claims: list[engine.StepClaim | None] = []
    begin = threading.Barrier(4)

    def claim() -> None:
        begin.wait()
        claims.append(engine.claim_step(step, "worker"))
        connection.close()

    threads = [threading.Thread(target=claim) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len([one for one in claims if one is not None]) == 1


def test_an_attempt_that_was_taken_over_writes_nothing():
    request = ask_for()
    (step,) = engine.find_due_steps()
    claim = engine.claim_step(step, "worker")
    assert claim is not None
    stranger = replace(claim, token=uuid.uuid4())
    for write in (
        lambda: engine.finish_step(stranger, Passed({})),
        lambda: engine.record_trouble(stranger, FarSideTrouble("away")),
        lambda: engine.record_defect(stranger, ValueError()),
        lambda: engine.renew_lease(stranger),
        lambda: engine.keep_note(stranger, {"id": 1}),
    ):
        with pytest.raises(StepTakenOver):
            write()
    engine.add_to_log(stranger, "nothing")
    assert read_step(request, "lead_approved").log == []
    engine.renew_lease(claim)
    # Its own answer counts once.
    engine.finish_step(claim, Waiting("later", None))
    with pytest.raises(StepTakenOver):
        engine.finish_step(claim, Passed({}))


def test_a_cancel_fences_the_attempt_that_runs():
    request = ask_for()
    (step,) = engine.find_due_steps()
    claim = engine.claim_step(step, "worker")
    assert claim is not None
    engine.cancel(request.pk, actor="ann")
    with pytest.raises(StepTakenOver):
        engine.finish_step(claim, Passed({}))
    assert (read_status(request), engine.find_due_steps()) == ("cancelled", [])


def test_a_lost_worker_costs_one_lease_and_too_many_end_the_request(settings):
    settings.ENGINE_LEASE_SECONDS, settings.ENGINE_MAX_CRASHES, settings.ENGINE_BACKOFF_SECONDS = 1, 2, 0
    request = ask_for()
    for crash in (1, 2):
        (step,) = engine.find_due_steps()
        assert engine.claim_step(step, f"worker {crash}")
        assert engine.take_back_lost_steps() == 0, "its lease is live"
        running = OnboardingStep.objects.filter(status="running")
        running.update(lease_until=datetime(2020, 1, 1, tzinfo=UTC))
        assert engine.take_back_lost_steps() == 1
    row = read_step(request, "lead_approved")
    assert (row.status, row.crashes, read_status(request)) == ("errored", 2, "failed")
    engine.retry(request.pk, actor="ann")
    assert (read_status(request), read_step(request, "lead_approved").crashes) == ("checking", 0)


def test_trouble_of_the_far_side_is_tried_again_with_pauses_and_an_end(registry, settings):
    settings.ENGINE_BACKOFF_SECONDS = 2
    away = Scripted("lead_approved", FarSideTrouble("502 from the code host"))
    registry(CHECKS, away)
    request = ask_for()
    pauses: list[float] = []
    for _ in range(9):
        run_due_steps()
        row = read_step(request, "lead_approved")
        assert (row.status, row.reason) == ("waiting", "502 from the code host")
        assert row.not_before
        pauses.append(round((row.not_before - datetime.now(UTC)).total_seconds()))
        OnboardingStep.objects.filter(pk=row.pk).update(not_before=datetime.now(UTC))
    assert pauses == [2, 4, 8, 16, 32, 64, 128, 256, 512]
    run_due_steps()
    assert (read_step(request, "lead_approved").status, read_status(request)) == ("errored", "failed")
    away.answers = [FarSideTrouble("429", retry_after_seconds=90), Waiting("later", None)]
    engine.retry(request.pk, actor="ann")
    run_due_steps()
    row = read_step(request, "lead_approved")
    assert row.not_before
    assert 80 < (row.not_before - datetime.now(UTC)).total_seconds() <= 90


def test_a_step_that_waits_holds_no_worker_until_it_is_woken(registry):
    lead = Scripted("lead_approved", Waiting("asked", None), Passed({}))
    registry(CHECKS, lead)
    request = ask_for()
    assert (run_due_steps(), read_step(request, "lead_approved").status) == (1, "waiting")
    assert run_due_steps() == 0
    assert not engine.wake(request.pk, "registration")
    engine.approve(request.pk, actor="lead@example.org")
    run_due_steps()
    assert (len(lead.seen), read_status(request)) == (2, "ready")


def test_a_callback_that_comes_while_the_step_runs_is_not_lost():
    request = ask_for()
    (step,) = engine.find_due_steps()
    claim = engine.claim_step(step, "worker")
    assert claim is not None
    assert claim.request.approved_at is None, "it has looked before the answer came"
    engine.approve(request.pk, actor="lead@example.org")
    engine.finish_step(claim, Waiting("not answered", None))
    assert engine.find_due_steps() == [step]


def test_a_time_wakes_a_step_too(registry):
    later = datetime.now(UTC) + timedelta(hours=1)
    registry(CHECKS, Scripted("lead_approved", Waiting("asked", later), Expired("no answer", "Ask again.")))
    request = ask_for()
    run_due_steps()
    assert engine.find_due_steps() == []
    OnboardingStep.objects.update(not_before=datetime.now(UTC))
    run_due_steps()
    row = read_step(request, "lead_approved")
    assert (row.status, row.cure, read_status(request)) == ("failed", "Ask again.", "expired")
    # The repo may be asked for again.
    assert ask_for().pk != request.pk


def test_a_refusal_says_what_to_change_and_a_retry_continues_there(registry):
    registry(CHECKS, Scripted("first", Passed({})), Scripted("lead_approved", Passed({})))
    step = Scripted("registration", Refused("no room", "Make room."), Passed({}))
    registry(PROVISIONING, step)
    request = ask_for()
    engine.approve(request.pk, actor="lead@example.org")
    run_due_steps()
    row = read_step(request, "registration", "provision")
    assert (row.status, row.reason, row.cure) == ("failed", "no room", "Make room.")
    assert read_status(request) == "failed"
    with pytest.raises(engine.AlreadyRequested, match=request.reference):
        ask_for()
    with pytest.raises(engine.NotInThatState, match="not cancelled any more"):
        engine.cancel(request.pk, actor="ann")
    engine.retry(request.pk, actor="ann")
    assert read_status(request) == "provisioning"
    with pytest.raises(engine.NotInThatState, match="nothing has failed"):
        engine.retry(request.pk, actor="ann")


def test_what_nobody_expected_ends_the_request_and_tells_no_secret(registry):
    broken = Scripted("lead_approved", ValueError("token ghp_0123456789"))
    registry(CHECKS, broken)
    request = ask_for()
    run_due_steps()
    row = read_step(request, "lead_approved")
    assert (row.status, row.reason) == ("errored", "Internal error: ValueError.")
    assert read_status(request) == "failed"


def test_log_and_reasons_are_redacted(registry):
    secret = "ghp_" + "a1B2" * 9

    class Talking(Scripted):
        def run(self, context: StepContext) -> StepAnswer:
            context.log(f"the token is {secret}")
            context.note({"hook": 5})
            return Refused(f"token={secret}", "Change it.")

    registry(CHECKS, Talking("lead_approved"))
    request = ask_for()
    run_due_steps()
    row = read_step(request, "lead_approved")
    assert secret not in f"{row.log}{row.reason}"
    assert "[REDACTED]" in row.log[0]["line"]
    assert row.outputs == {"hook": 5}


def test_offboarding_undoes_in_reverse_order_and_has_its_own_retry(registry):
    registry(CHECKS, Scripted("lead_approved", Passed({})))
    order: list[str] = []

    class Made(Scripted):
        def undo(self, context: StepContext) -> StepAnswer:
            order.append(self.name)
            assert context.outputs[self.name] == {"of": self.name}
            return Refused("still used", "Free it.") if order == ["last", "middle"] else Passed({})

    steps = [Made(name, Passed({"of": name})) for name in ("middle", "last")]
    registry(PROVISIONING, *steps)
    request = ask_for("fresh")
    register_repo("fresh")
    engine.approve(request.pk, actor="lead@example.org")
    run_due_steps()
    assert read_status(request) == "ready"
    engine.offboard(request.pk, actor="ann", reason="the team has moved on")
    engine.offboard(request.pk, actor="ann")
    run_due_steps()
    assert (order, read_status(request)) == (["last", "middle"], "undo_failed")
    engine.retry(request.pk, actor="ann")
    run_due_steps()
    assert (order, read_status(request)) == (["last", "middle", "middle"], "offboarded")
    with pytest.raises(engine.NotInThatState):
        engine.retry(request.pk, actor="ann")


def test_each_door_done_twice_at_once_does_it_once():
    request = ask_for()
    outcomes: list[str] = []
    begin = threading.Barrier(4)

    def approve(number: int) -> None:
        begin.wait()
        try:
            engine.approve(request.pk, actor=f"lead {number}")
            outcomes.append("approved")
        except engine.AlreadyDecided:
            outcomes.append("refused")
        finally:
            connection.close()

    threads = [threading.Thread(target=approve, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["approved", "refused", "refused", "refused"]
    assert list(request.events.values_list("kind", flat=True)) == ["submitted", "approved"]


def test_a_step_of_a_lost_message_is_found_by_the_clock(monkeypatch):
    """Nothing that was sent counts: the look at the database sends what is due."""
    sent: list[int] = []
    monkeypatch.setattr("onboarding.engine.dispatch._send_each", sent.extend)
    monkeypatch.setattr("onboarding.engine.dispatch._count_waiting", lambda: 0)
    ask_for()
    sent.clear()
    schedule.look_at_what_is_due()
    assert sent == engine.find_due_steps()
    # As many messages wait as there are steps: another look adds none.
    monkeypatch.setattr("onboarding.engine.dispatch._count_waiting", lambda: 1)
    schedule.look_at_what_is_due()
    assert len(sent) == 1
    assert runner.run_step(sent[0]) is not None
    assert runner.run_step(sent[0]) is None, "a second message finds nothing to claim"
