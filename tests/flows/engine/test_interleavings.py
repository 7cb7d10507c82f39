"""Every order of the steps of two workers, an operator and the dispatcher at small size, against the real
statements.
"""

import itertools
import threading
from collections.abc import Callable
from functools import partial

import pytest
from django.db import connection

from orchestrator.flows import engine
from orchestrator.flows.engine import Claim
from orchestrator.flows.models import Attempt, Flow, Stage
from orchestrator.flows.stage_protocol import Done
from tests.flows.engine.conftest import let_lease_run_out, live


class Worker:
    """Claims, then finishes, one step at a time."""

    def __init__(self, name: str, stage_id: int, onward: tuple[str, ...]) -> None:
        self.name, self.stage_id, self.onward = name, stage_id, onward
        self.held: Claim | None = None
        self.won = 0

    def claim(self) -> None:
        self.held = engine.claim(self.stage_id, self.name)

    def finish(self) -> None:
        if self.held is None:
            return
        try:
            engine.finish(self.held, Done(output={"by": self.name}), onward=self.onward)
        except engine.Fenced:
            return
        self.won += 1


def check(flow: Flow, first: Stage, workers: list[Worker]) -> None:
    """What must hold after every step."""
    flow.refresh_from_db()
    first.refresh_from_db()
    won = sum(worker.won for worker in workers)
    assert won <= 1
    assert (first.status == "passed") == (won == 1)
    assert flow.stages.filter(status__in=["ready", "running", "waiting"]).count() == (
        flow.status != "cancelled"
    )
    assert Attempt.objects.filter(stage=first, outcome="passed").count() == won
    if won:
        assert first.output == {"by": next(worker.name for worker in workers if worker.won)}
    if flow.status == "cancelled":
        assert not flow.stages.filter(status__in=["pending", "ready", "running", "waiting"]).exists()


def orders(*more: str) -> list[tuple[str, ...]]:
    """Merges of the steps: each worker claims before it finishes. The two are alike, so ``a`` is first."""
    steps = ("a.claim", "a.finish", "b.claim", "b.finish", *more)

    def sane(order: tuple[str, ...]) -> bool:
        at = {step: place for place, step in enumerate(order)}
        return at["a.claim"] < at["a.finish"] and at["a.claim"] < at["b.claim"] < at["b.finish"]

    return [order for order in itertools.permutations(steps) if sane(order)]


ONWARD = pytest.mark.parametrize("onward", [(), ("google", "gates", "control")], ids=["by message", "onward"])
# The two shorter ones are parts of it.
ALL_FOUR = pytest.param(("sweep", "cancel"), 90, marks=pytest.mark.slow)


@pytest.mark.django_db
@ONWARD
@pytest.mark.parametrize(("more", "count"), [(("sweep",), 15), (("cancel",), 15), ALL_FOUR])
def test_every_order_of_two_workers_a_sweep_and_a_cancel(new_flow, more, count, onward):
    merges = orders(*more)
    assert len(merges) == count
    for order in merges:
        flow = new_flow()
        first = live(flow)
        a, b = Worker("a", first.pk, onward), Worker("b", first.pk, onward)
        acts: dict[str, Callable[[], object]] = {
            "a.claim": a.claim,
            "a.finish": a.finish,
            "b.claim": b.claim,
            "b.finish": b.finish,
            "sweep": partial(_sweep, first.pk),
            "cancel": partial(engine.cancel, flow.pk),
        }
        for step in order:
            acts[step]()
            check(flow, first, [a, b])


def _sweep(stage_id: int) -> None:
    if Stage.objects.filter(pk=stage_id, status="running").exists():
        let_lease_run_out(stage_id)
    for row in engine.find_expired_leases():
        engine.expire_lease(row.flow_id, row.id, row.token)


@pytest.mark.django_db(transaction=True)
@ONWARD
@pytest.mark.parametrize("other", ["finish", "cancel", "expire", "pause"])
def test_two_at_once_on_real_connections_end_in_one_of_two_orders(new_flow, other, onward):
    """A finish against each of the verbs that may meet it, on two sessions, started together; nothing
    deadlocks.
    """
    for _ in range(4):
        flow = new_flow()
        first = live(flow)
        held = engine.claim(first.pk, "a")
        assert held is not None
        if other == "expire":
            let_lease_run_out(first.pk)
        worker = Worker("a", first.pk, onward)
        worker.held = held
        second = Worker("a", first.pk, onward)
        second.held = held
        acts: dict[str, Callable[[], object]] = {
            "finish": second.finish,
            "cancel": partial(engine.cancel, flow.pk),
            "expire": partial(engine.expire_lease, held.flow_id, held.stage_id, held.token),
            "pause": partial(engine.pause, flow.pk),
        }
        together(worker.finish, acts[other])
        first.refresh_from_db()
        flow.refresh_from_db()
        assert (first.status == "passed") == (worker.won + second.won >= 1)
        assert Attempt.objects.filter(stage=first, outcome="passed").count() == (first.status == "passed")
        assert flow.events.filter(kind="stage.passed").count() == (first.status == "passed")
        if other in ("finish", "pause"):
            assert first.status == "passed"


def together(*acts: Callable[[], object]) -> None:
    """Run ``acts`` at once, each on a connection of its own; raise what any of them raised."""
    barrier, errors = threading.Barrier(len(acts)), []

    def run(act: Callable[[], object]) -> None:
        try:
            barrier.wait(10)
            act()
        except Exception as error:  # noqa: BLE001 - raised again below, in the test's own thread
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    for error in errors:
        raise error


@pytest.mark.django_db(transaction=True)
def test_of_many_claims_at_once_one_wins(new_flow):
    flow = new_flow()
    stage = live(flow)
    won: list[Claim | None] = []
    together(*[lambda name=f"w{n}": won.append(engine.claim(stage.pk, name)) for n in range(6)])
    assert sum(claim is not None for claim in won) == 1
    assert Attempt.objects.count() == 1
