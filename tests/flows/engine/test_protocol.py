"""The protocol as a state machine: any run of claims, beats, finishes, sweeps, cancels, pauses against the
database.

The model is what a reader of the docstrings would expect; the database must agree with it after every step.
"""

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from orchestrator.flows import engine
from orchestrator.flows.engine import Claim, capacity
from orchestrator.flows.models import Attempt, Flow
from orchestrator.flows.stage_protocol import Done, Failed, Repair
from orchestrator.repos.models import Repo
from tests.flows.engine.conftest import let_lease_run_out, let_wait_end

ENDED = {"passed", "failed", "cancelled"}
LIVE = ["ready", "running", "waiting"]


class Protocol(RuleBasedStateMachine):
    """One flow, any number of workers."""

    claims = Bundle("claims")

    @initialize()
    def begin(self) -> None:
        repo, _ = Repo.objects.get_or_create(name="demo")
        self.flow = engine.create(repo, "x", flow_type="scripted", settings={"max_repair_rounds": 2})
        self.holder: Claim | None = None
        self.passes = 0

    @rule(target=claims, worker=st.sampled_from("abc"))
    def claim(self, worker: str):
        stage = self.flow.stages.filter(status__in=LIVE).first()
        if stage is None:
            return multiple()
        may = stage.status == "ready" and self.status() != "paused"
        won = engine.claim(stage.pk, worker)
        assert (won is not None) == may
        if won is None:
            return multiple()
        self.holder = won
        return won

    @rule(claim=claims)
    def beat(self, claim: Claim) -> None:
        assert (claim.token in engine.renew_leases([(claim.stage_id, claim.token)])) == self.holds(claim)

    @rule(
        target=claims,
        claim=consumes(claims),
        how=st.sampled_from(["done", "done", "done", "repair", "retryable", "fatal"]),
        onward=st.sampled_from([(), ("google", "gates", "control")]),
    )
    def finish(self, claim: Claim, how: str, onward: tuple[str, ...]):
        results = {
            "done": Done(output={"token": str(claim.token)}),
            "repair": Repair("f", "first", "g:f", "m", "c"),
            "retryable": Failed("x:y", "m", "c", retryable=True),
            "fatal": Failed("x:y", "m", "c"),
        }
        holds, follows = self.holds(claim), self.flow.stages.filter(status="pending").exists()
        goes_on = how == "done" and bool(onward) and follows and self.status() == "running"
        try:
            finished = engine.finish(claim, results[how], onward=onward)  # type: ignore[arg-type]  # by name
        except engine.Fenced:
            assert not holds
            return multiple()
        assert holds
        assert (finished.claimed is not None) == goes_on
        self.holder = finished.claimed
        self.passes += how == "done"
        return multiple() if finished.claimed is None else finished.claimed

    @rule(claim=claims)
    def lapse_and_sweep(self, claim: Claim) -> None:
        if self.holds(claim):
            let_lease_run_out(claim.stage_id)
            self.holder = None
        for row in engine.find_expired_leases():
            assert engine.expire_lease(row.flow_id, row.id, row.token)

    @rule()
    def wait_ends(self) -> None:
        for stage in self.flow.stages.filter(status="waiting", not_before__isnull=False):
            let_wait_end(stage.pk)
        engine.release_due_stages()
        capacity.grant_room(
            [stage.pk for stage in self.flow.stages.filter(status="waiting", not_before__isnull=False)]
        )

    @rule()
    def pause(self) -> None:
        if self.status() not in ENDED:
            engine.pause(self.flow.pk)
            engine.hold_ready_stages(10)

    @rule()
    def resume(self) -> None:
        if self.status() not in ENDED:
            engine.resume(self.flow.pk)

    @rule(sure=st.integers(0, 5))
    def cancel(self, sure: int) -> None:
        if sure == 0:
            unfinished = self.status() not in ENDED
            assert engine.cancel(self.flow.pk) == unfinished
            if unfinished:
                self.holder = None

    @rule()
    def retry(self) -> None:
        if self.status() == "failed":
            engine.retry(self.flow.pk)

    def status(self) -> str:
        return Flow.objects.values_list("status", flat=True).get(pk=self.flow.pk)

    def holds(self, claim: Claim) -> bool:
        return self.holder is not None and self.holder.token == claim.token

    @invariant()
    def one_stage_is_live_exactly_while_the_flow_is(self) -> None:
        live = list(self.flow.stages.filter(status__in=LIVE))
        assert len(live) == (self.status() not in ENDED)
        assert [stage.token for stage in live if stage.status == "running"] == (
            [self.holder.token] if self.holder else []
        )

    @invariant()
    def attempts_are_counted_once(self) -> None:
        attempts = Attempt.objects.filter(stage__flow=self.flow)
        assert attempts.filter(outcome="passed").count() == self.passes
        assert attempts.filter(outcome="running").count() == (self.holder is not None)

    @invariant()
    def the_order_of_stages_holds(self) -> None:
        order = {
            "passed": 0,
            "failed": 0,
            "ready": 1,
            "running": 1,
            "waiting": 1,
            "pending": 2,
            "skipped": 2,
            "cancelled": 2,
        }
        ranks = [order[stage.status] for stage in self.flow.stages.all()]
        assert ranks == sorted(ranks)
        assert self.status() != "passed" or set(ranks) == {0}

    @invariant()
    def deferred_constraints_hold(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            cursor.execute("SET CONSTRAINTS ALL DEFERRED")


@pytest.mark.django_db
@pytest.mark.parametrize(
    "examples", [10, pytest.param(100, marks=[pytest.mark.slow, pytest.mark.timeout(600)])]
)
def test_the_protocol_holds_for_any_order_of_steps(sent, examples):
    class RolledBack(Protocol):
        def __init__(self) -> None:
            super().__init__()
            self._block = transaction.atomic()
            self._block.__enter__()

        def teardown(self) -> None:
            transaction.set_rollback(True)
            self._block.__exit__(None, None, None)

    run_state_machine_as_test(
        RolledBack,
        settings=settings(
            max_examples=examples,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        ),
    )
