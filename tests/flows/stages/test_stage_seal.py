"""Docs and seal."""

import json

import pytest
from django.conf import LazySettings

from orchestrator.flows.stage_protocol import Done, Failed
from orchestrator.flows.stages import docs, review, seal, verify
from tests.flows.stages import fakes
from tests.flows.stages.fakes import FakeStageContext, Gates, failing


def test_readme_is_written_from_contract_and_code(implemented: FakeStageContext) -> None:
    result = implemented.run(docs.stage, fakes.README)
    assert isinstance(result, Done)
    provider, request = implemented.requests[-1]
    assert provider == "google"
    assert fakes.MODULE.strip() in request.prompt
    assert implemented.artifacts["readme"] == b"# Capital ratio\n"


@pytest.mark.parametrize(("mode", "verified"), [("strict", True), ("advisory", False), ("off", False)])
def test_only_strict_gates_verify(
    implemented: FakeStageContext, gates: Gates, settings: LazySettings, mode: str, verified: bool
) -> None:
    settings.QUALITY_GATE_MODE = mode
    implemented.run(verify.stage)
    implemented.run(review.stage, *([] if mode == "off" else [json.dumps(fakes.APPROVAL)]))
    implemented.run(docs.stage, fakes.README)
    result = implemented.run(seal.stage)
    assert isinstance(result, Done)
    assert result.block is not None
    assert result.block.verified is verified is result.output["verified"]
    assert json.loads(result.block.manifest)["policy"]["mode"] == mode


def test_advisory_block_says_what_failed(
    implemented: FakeStageContext, gates: Gates, settings: LazySettings
) -> None:
    settings.QUALITY_GATE_MODE = "advisory"
    gates(failing("mutation"))
    implemented.run(verify.stage)
    implemented.run(review.stage, json.dumps(fakes.APPROVAL))
    implemented.run(docs.stage, fakes.README)
    implemented.run(seal.stage)
    facts = {gate["gate"]: gate["verdict"] for gate in json.loads(implemented.artifacts["manifest"])["gates"]}
    assert facts["mutation"] == "failed"


def test_block_changed_after_its_verdict_is_not_sealed(implemented: FakeStageContext, gates: Gates) -> None:
    implemented.run(verify.stage)
    implemented.run(review.stage, json.dumps(fakes.APPROVAL))
    implemented.run(docs.stage, fakes.README)
    implemented.artifacts["module"] += b"import os\n"
    result = implemented.run(seal.stage)
    assert isinstance(result, Failed)
    assert result.code == "seal:not-judged"


def test_block_that_nobody_judged_is_not_sealed(implemented: FakeStageContext) -> None:
    implemented.run(docs.stage, fakes.README)
    result = implemented.run(seal.stage)
    assert isinstance(result, Failed)
    assert result.code == "seal:not-judged"
