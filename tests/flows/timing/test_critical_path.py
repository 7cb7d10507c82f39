"""What bounded a flow's time, what was wasted beside a repair, and how long the next flow will take."""

from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from django.db.models import F

from orchestrator.flows import engine
from orchestrator.flows.api.serializers.flows import FlowSerializer
from orchestrator.flows.flow_types import SIDE_BY_SIDE
from orchestrator.flows.models import Attempt, Flow
from orchestrator.flows.stage_protocol import Repair
from orchestrator.flows.timing import estimates
from orchestrator.flows.timing.critical_path import measure_flow, measure_union
from orchestrator.ops.observability import metrics
from tests import scenes

pytestmark = pytest.mark.django_db
TOOK = {"context": 5, "plan": 16, "implement": 30, "verify": 7, "review": 12, "docs": 10, "seal": 1}


@pytest.fixture
def passed() -> Flow:
    """A flow that has passed, whose stages took ``TOOK`` seconds and began when they could."""
    flow = scenes.run_through(scenes.make_flow())
    begins, ends = flow.created_at, dict[str, datetime]()
    order = SIDE_BY_SIDE.order
    for spec, needs in zip(order.stages, order.needs, strict=True):
        start = max((ends[order.stages[place].kind] for place in needs), default=begins)
        ends[spec.kind] = start + timedelta(seconds=TOOK[spec.kind])
        Attempt.objects.filter(stage__flow=flow, stage__kind=spec.kind).update(
            started_at=start, finished_at=ends[spec.kind]
        )
    Flow.objects.filter(pk=flow.pk).update(finished_at=ends["seal"])
    flow.refresh_from_db()
    estimates.recent_times.forget()
    return flow


def test_the_path_goes_through_the_slowest_branch(passed):
    timing = measure_flow(passed, list(passed.stages.order_by("position")))
    assert [step.kind for step in timing.path] == ["context", "plan", "implement", "review", "seal"]
    assert timing.seconds == pytest.approx(64)
    # 81 s of stages in 64 s.
    assert timing.overlap == pytest.approx(81 / 64, abs=0.001)
    assert timing.bound_by == "implement: 30.0 s with its model"
    spent = FlowSerializer(passed).data["time"]
    assert spent["critical_path_seconds"] == pytest.approx(64)
    assert spent["bound_by"] == timing.bound_by


def test_a_wait_before_a_stage_is_told_as_such(passed):
    later = timedelta(seconds=50)
    for kind in ("docs", "seal"):
        Attempt.objects.filter(stage__flow=passed, stage__kind=kind).update(
            started_at=F("started_at") + later, finished_at=F("finished_at") + later
        )
    timing = measure_flow(passed, list(passed.stages.order_by("position")))
    assert [step.kind for step in timing.path][-2:] == ["docs", "seal"]
    assert timing.bound_by == "docs: 50.0 s before it ran"


def test_seconds_of_spans_that_overlap_count_once(passed):
    start = passed.created_at
    at = [start + timedelta(seconds=second) for second in range(10)]
    assert measure_union([(at[0], at[4]), (at[1], at[2]), (at[3], at[6]), (at[8], at[9])]) == pytest.approx(7)
    assert measure_union([]) == 0


def test_what_was_paid_for_twice_beside_a_repair_is_shown_as_wasted():
    flow = scenes.make_flow()
    for kind in ("context", "plan", "implement"):
        scenes.finish_stage(scenes.start_kind(flow, kind))
    for kind, provider in (("review", "anthropic"), ("docs", "google")):
        claim = scenes.start_kind(flow, kind)
        scenes.record_call(claim, provider, "m", "0.02")
        scenes.finish_stage(claim)
    engine.finish(
        scenes.start_kind(flow, "verify"), Repair("f", "implement", "gate:failed", "It failed.", "Fix it.")
    )
    assert FlowSerializer(flow).data["wasted_usd"] == "0"
    scenes.finish_stage(scenes.start_kind(flow, "implement"))
    review = scenes.start_kind(flow, "review")
    scenes.record_call(review, "anthropic", "m", "0.03")
    scenes.finish_stage(review)
    # The documentation stayed as it was: no call, nothing wasted.
    scenes.finish_stage(scenes.start_kind(flow, "docs"))
    shown = FlowSerializer(Flow.objects.get(pk=flow.pk)).data
    assert Decimal(shown["wasted_usd"]) == Decimal("0.02")
    assert [(row["kind"], row["round"]) for row in shown["stages"] if row["wasted"]] == [("review", 1)]


def test_the_estimate_walks_the_graph_and_a_deadline_that_is_too_near_is_said(passed):
    flow = scenes.make_flow(deadline_seconds=60)
    found = FlowSerializer(flow).data["estimate"]
    assert found["p50_seconds"] == pytest.approx(64)
    assert "has 60 s, and its stages take about 64 s" in found["warning"]
    assert FlowSerializer(scenes.make_flow(deadline_seconds=120)).data["estimate"]["warning"] == ""
    assert FlowSerializer(passed).data["estimate"] is None


def test_the_estimate_of_a_stage_comes_from_the_model_that_will_be_asked(passed):
    """Two models, one twice as fast: each flow is told the times of its own."""
    for model, seconds in (("gemini-pro", 20), ("gemini-flash", 10)):
        for _ in range(estimates.LEAST_STAGES):
            flow = scenes.make_flow(settings={"context.model": model})
            claim = scenes.start_kind(flow, "context")
            scenes.record_call(claim, "google", model, "0.001")
            scenes.finish_stage(claim)
            Attempt.objects.filter(token=claim.token).update(
                finished_at=F("started_at") + timedelta(seconds=seconds)
            )
    estimates.recent_times.forget()
    told = {}
    for model in ("gemini-pro", "gemini-flash", "gemini-new"):
        shown = FlowSerializer(scenes.make_flow(settings={"context.model": model})).data["estimate"]
        first = shown["stages"][0]
        told[model] = (first["model"], first["p50_seconds"])
        # Of the others one stage each was seen, too few to speak for a model.
        assert [(row["kind"], row["model"]) for row in shown["stages"][1:3]] == [
            ("plan", ""),
            ("implement", ""),
        ]
        assert shown["p50_seconds"] == pytest.approx(first["p50_seconds"] + 64 - TOOK["context"])
    assert told["gemini-pro"] == ("gemini-pro", pytest.approx(20))
    assert told["gemini-flash"] == ("gemini-flash", pytest.approx(10))
    assert told["gemini-new"][0] == ""


def test_nothing_is_estimated_while_a_stage_is_unknown(db):
    estimates.recent_times.forget()
    assert FlowSerializer(scenes.make_flow()).data["estimate"] is None


def test_metrics_show_overlap_path_and_models(passed):
    Flow.objects.filter(pk=passed.pk).update(finished_at=passed.created_at + timedelta(seconds=1))
    samples = {
        (sample.name, *sample.labels.values()): sample.value
        for source in (metrics.measure_timing, metrics.measure_models)
        for family in source()
        for sample in family.samples
    }
    assert samples["stage_overlap",] == pytest.approx(81 / 64, abs=0.001)
    assert samples["critical_path_seconds", "0.95"] == pytest.approx(64)
    assert samples["model_latency_seconds", "review", "claude-sonnet-4-5", "0.5"] == pytest.approx(0.012)
    assert samples["model_tokens_per_second", "review", "claude-sonnet-4-5"] > 0
