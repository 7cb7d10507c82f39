"""What a flow has left, read from its own rows."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db.models import F

from orchestrator.flows import engine
from orchestrator.flows.engine import Claim
from orchestrator.flows.flow_types import ONE_BY_ONE, SIDE_BY_SIDE
from orchestrator.flows.models import Attempt, Flow
from orchestrator.flows.stage_protocol import Repair
from orchestrator.flows.worker import budget
from providers import limiter
from tests import scenes


def _let_attempt_take(claim: Claim, seconds: float) -> None:
    """As if the attempt of ``claim``, which has ended, had begun and ended ``seconds`` apart."""
    ended = F("started_at") + timedelta(seconds=seconds)
    assert Attempt.objects.filter(pk=claim.attempt_id).update(finished_at=ended) == 1


def _start_implement(flow: Flow) -> Claim:
    """The stage waits an hour in its first attempt; this is its second."""
    scenes.park_stage(scenes.start_kind(flow, "implement"), "no room")
    stage = flow.stages.get(kind="implement", status="waiting")
    Attempt.objects.filter(stage=stage).update(finished_at=F("started_at") + timedelta(hours=1))
    flow.stages.filter(pk=stage.pk).update(not_before=F("waiting_since"))
    assert engine.release_due_stages() == 1
    return scenes.start_kind(flow, "implement")


@pytest.mark.django_db
def test_newest_round_counts_and_what_is_not_settled_counts_in_full() -> None:
    flow = scenes.make_flow(deadline_seconds=300)
    for kind in ("context", "plan"):
        scenes.finish_stage(scenes.start_kind(flow, kind))
    first = _start_implement(flow)
    scenes.record_call(first, "openai", "m", "0.10")
    unknown = scenes.reserve_call(first, "openai", "m", "0.40")  # charged in full already
    limiter.keep_charged(unknown, "openai", code="provider:lost", message="no answer")
    scenes.finish_stage(first)
    again = Repair("again", "implement", "gate:failed", "No.", "Fix it.")
    engine.finish(scenes.start_kind(flow, "verify"), again)
    for kind in ("review", "docs"):
        scenes.finish_stage(scenes.start_kind(flow, kind))
    second = _start_implement(flow)
    scenes.record_call(second, "openai", "m", "0.02")
    scenes.reserve_call(second, "openai", "m", "0.05")
    limiter.release(scenes.reserve_call(second, "openai", "m", "0.70"), "openai")
    scenes.finish_stage(second)
    verify = scenes.start_kind(flow, "verify")
    scenes.finish_stage(verify)
    for claim, seconds in ((first, 50), (second, 7), (verify, 3)):
        _let_attempt_take(claim, seconds)

    left = budget.read_budget(flow.id, SIDE_BY_SIDE, "implement")

    assert left.seconds_left == pytest.approx(300, abs=60)
    assert left.round_seconds == pytest.approx(10)
    assert (left.round_usd, left.spent_usd) == (Decimal("0.02"), Decimal("0.57"))

    review = scenes.start_kind(flow, "review")
    scenes.finish_stage(review)
    _let_attempt_take(review, 12)
    # One after the other, or the longer of the two side by side.
    assert budget.read_budget(flow.id, ONE_BY_ONE, "implement").round_seconds == pytest.approx(22)
    assert budget.read_budget(flow.id, SIDE_BY_SIDE, "implement").round_seconds == pytest.approx(19)
