"""Shapes whose fields are resolved once say what DRF's own reading of the same rows says."""

from typing import Any

import pytest
from rest_framework import serializers
from rest_framework.test import APIRequestFactory

from orchestrator.flows.api.serializers.blocks import BlockSerializer
from orchestrator.flows.api.serializers.flows import FlowSerializer, FlowSummarySerializer
from orchestrator.flows.api.serializers.gate_results import GateResultSerializer
from orchestrator.flows.api.serializers.provider_calls import ProviderCallSerializer
from orchestrator.flows.api.serializers.stages import AttemptSerializer, StageSerializer
from orchestrator.flows.models import Attempt, Block, Flow, GateResult, Stage
from orchestrator.rest.resolved_fields import ResolvedFields
from providers.models import ProviderCall
from tests import scenes

ROWS: list[tuple[Any, Any]] = [
    (FlowSummarySerializer, Flow),
    (FlowSerializer, Flow),
    (StageSerializer, Stage),
    (AttemptSerializer, Attempt),
    (BlockSerializer, Block),
    (ProviderCallSerializer, ProviderCall),
    (GateResultSerializer, GateResult),
]
CLOCKS = {"duration_seconds", "time", "estimate"}


@pytest.mark.parametrize(("kind", "model"), ROWS, ids=[kind.__name__ for kind, _ in ROWS])
def test_every_row_reads_as_with_the_usual_class(kind: Any, model: Any, repo) -> None:
    scenes.run_through(scenes.make_flow(repo))
    scenes.run_through(scenes.make_flow(repo), gates_fail=True)
    scenes.park_stage(scenes.start_kind(scenes.make_flow(repo), "context"), "google: no tokens")
    context = {"request": APIRequestFactory().get("/"), "cost_by_stage": {}, "wasted": frozenset()}
    assert issubclass(kind, ResolvedFields)
    rows = list(model.objects.all())
    assert rows
    for row in rows:
        found, usual = kind(row, context=context), kind(row, context=context)
        assert leave_out_clocks(found.data) == leave_out_clocks(read_as_usual(usual, row))


def read_as_usual(serializer: Any, row: Any) -> Any:
    """What DRF's class gives for ``row``, with the same fields."""
    # Looked at first, as `?fields=` does; no field is taken away.
    assert serializer.fields
    return serializers.Serializer.to_representation(serializer, row)


def leave_out_clocks(shown: Any) -> Any:
    """Without what differs between two looks."""
    if isinstance(shown, dict):
        return {name: leave_out_clocks(value) for name, value in shown.items() if name not in CLOCKS}
    return [leave_out_clocks(one) for one in shown] if isinstance(shown, list) else shown


def test_fields_that_were_not_asked_for_are_not_read(api, repo, monkeypatch) -> None:
    scenes.run_through(scenes.make_flow(repo))

    def compute(*given: Any) -> None:
        raise AssertionError("nobody asked for it")

    monkeypatch.setattr(FlowSerializer, "get_stages", compute)
    flow = Flow.objects.get()
    assert api.get(f"/api/v1/flows/{flow.pk}/?fields=id,status").json() == {"id": flow.pk, "status": "passed"}
