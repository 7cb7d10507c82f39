"""A context bundle is in the evidence store before a model is asked: real engine, real boto3, simulated
providers.
"""

import hashlib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from django.utils import timezone

from blocks.format import snapshot as snapshots
from orchestrator.flows import engine
from orchestrator.flows.engine import broker
from orchestrator.flows.evidence import bucket_store, store
from orchestrator.flows.models import Flow
from orchestrator.flows.worker import runner
from providers import registry
from tests import scenes
from tests.providers import simulated
from tests.providers.simulated import Simulated

SAMPLE = Path(__file__).parents[3] / "samples" / "compliance-service"
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulated]:
    with simulated.started("--samples", "samples") as process:
        yield process


@pytest.fixture
def flow(simulator: Simulated, settings: LazySettings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Flow]:
    """A flow whose context stage is ready."""
    monkeypatch.setattr(broker, "send_route", lambda route: True)
    settings.PROVIDERS = {
        name: {**limits, "api_key": "k", "base_url": simulator.urls[f"{name.upper()}_BASE_URL"]}
        for name, limits in settings.PROVIDERS.items()
    }
    simulator.reset()
    request, snapshot = (
        (SAMPLE / "feature_request.md").read_text(),
        snapshots.pack({"ledger.py": b"def capital(): ...\n"}),
    )
    yield engine.create(scenes.make_repo(), request, block_family="compliance", snapshot=snapshot)
    registry.close_adapters()


def run_context(flow: Flow) -> Any:
    """Run the flow's first stage."""
    stage = flow.stages.get(kind="context")
    runner.run_stages(stage.pk)
    stage.refresh_from_db()
    return stage


def test_the_bundle_is_held_for_seven_years_although_the_model_never_answered(
    flow: Flow, simulator: Simulated, production: bucket_store.Bucket
) -> None:
    simulator.behave("google", {"kind": "status", "status": 400})
    asked = timezone.now()
    stage = run_context(flow)
    assert simulator.requests("google") >= 1
    assert not stage.artifacts.exists()
    (kept,) = production.client.list_object_versions(Bucket=production.name)["Versions"]
    bundle = production.get(kept["Key"])
    assert bundle is not None
    assert bundle.startswith(b"=== ledger.py\n")
    assert kept["Key"] == store.content_key(hashlib.sha256(bundle).hexdigest())
    held = production.client.head_object(Bucket=production.name, Key=kept["Key"])
    assert held["ObjectLockMode"] == "COMPLIANCE"
    assert held["ObjectLockRetainUntilDate"] >= store.retain_until(asked) - timedelta(seconds=1)


def test_without_a_store_nothing_is_asked_and_the_stage_is_tried_again(
    flow: Flow, simulator: Simulated, production: bucket_store.Bucket, settings: LazySettings
) -> None:
    endpoint, settings.S3_ENDPOINT_URL = settings.S3_ENDPOINT_URL, "http://127.0.0.1:9"
    stage = run_context(flow)
    assert (stage.status, simulator.requests("google")) == ("waiting", 0)
    assert "evidence bucket" in stage.wait_reason
    settings.S3_ENDPOINT_URL = endpoint
    flow.stages.filter(pk=stage.pk).update(not_before=timezone.now())
    assert engine.release_due_stages() == 1
    stage = run_context(flow)
    assert (stage.status, simulator.requests("google")) == ("passed", 1)
    assert production.get(store.content_key(stage.output["bundle_sha256"])) is not None


def test_a_bucket_that_keeps_nothing_safe_gets_no_bundle(
    flow: Flow, simulator: Simulated, production: bucket_store.Bucket
) -> None:
    production.client.delete_bucket_lifecycle(Bucket=production.name)
    rule = {"ID": "gone", "Status": "Enabled", "Filter": {}, "Expiration": {"Days": 30}}
    production.client.put_bucket_lifecycle_configuration(
        Bucket=production.name, LifecycleConfiguration={"Rules": [rule]}
    )
    stage = run_context(flow)
    assert (stage.status, stage.error_code, simulator.requests("google")) == (
        "failed",
        "evidence:store-unfit",
        0,
    )
    assert "Versions" not in production.client.list_object_versions(Bucket=production.name)
