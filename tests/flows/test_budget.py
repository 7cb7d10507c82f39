"""What a flow has left, read from its own rows."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import uuid4

import pytest

from orchestrator.flows.models import Attempt, Flow, Stage
from orchestrator.flows.worker import budget
from orchestrator.repos.models import Repo
from providers.models import CallStatus, ProviderCall

NOW = datetime.now(UTC)


def _stage(flow: Flow, position: int, kind: str, seconds: float) -> Stage:
    stage = Stage.objects.create(
        flow=flow,
        position=position,
        kind=kind,
        queue="openai",
        status="passed",
        started_at=NOW,
        finished_at=NOW,
    )
    Attempt.objects.create(
        stage=stage,
        number=1,
        token=uuid4(),
        worker="w",
        outcome="parked",
        started_at=NOW,
        finished_at=NOW + timedelta(hours=1),
    )
    Attempt.objects.create(
        stage=stage, number=2, token=uuid4(), worker="w", outcome="passed", started_at=NOW,
        finished_at=NOW + timedelta(seconds=seconds),
    )  # fmt: skip
    return stage


def _call(flow: Flow, stage: Stage, status: str, cost: str, reserved: str) -> None:
    ProviderCall.objects.create(
        provider="openai", model="m", flow_id=flow.pk, stage_id=stage.pk, status=status, request_digest=uuid4().hex, reserved_tokens=1,
        reserved_usd=Decimal(reserved), cost_usd=Decimal(cost), created_at=NOW, lease_until=NOW,
        settled_at=None if status == CallStatus.RESERVED else NOW,
    )  # fmt: skip


@pytest.mark.django_db
def test_newest_round_counts_and_what_is_not_settled_counts_in_full() -> None:
    repo = Repo.objects.create(name="pilot")
    flow = Flow.objects.create(
        repo=repo, flow_type="t", feature_request="# A", deadline_at=datetime.now(UTC) + timedelta(minutes=5)
    )
    first, second, verify = (
        _stage(flow, 1, "implement", 50),
        _stage(flow, 3, "implement", 7),
        _stage(flow, 4, "verify", 3),
    )
    _call(flow, first, CallStatus.SETTLED, "0.10", "0.90")
    _call(flow, second, CallStatus.SETTLED, "0.02", "0.90")
    _call(flow, second, CallStatus.RESERVED, "0", "0.05")
    _call(flow, second, CallStatus.RELEASED, "0", "0.70")
    _call(flow, first, CallStatus.UNKNOWN, "0.40", "0.40")  # charged in full already

    left = budget.read_budget(flow.id, ("implement", "verify"))

    assert verify.position == 4
    assert left.seconds_left == pytest.approx(300, abs=60)
    assert left.round_seconds == pytest.approx(10)
    assert (left.round_usd, left.spent_usd) == (Decimal("0.02"), Decimal("0.57"))
