"""Every shipped sample through the stages, over the providers' own SDKs, against the simulator. Only the
gates are not run.
"""

import copy
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest
import yaml
from django.conf import LazySettings

from orchestrator.flows.generation import model_request
from orchestrator.flows.stage_protocol import Done, Repair, stage_nonce
from orchestrator.flows.stages import context, docs, implement, plan, review, seal, verify
from providers import registry
from providers.base import Completion, Request
from tests.flows.stages.fakes import FakeStageContext, Gates, failing
from tests.providers.simulated import Simulated, started

SAMPLES = Path(__file__).resolve().parents[3] / "samples"
NAMES = sorted(path.parent.name for path in SAMPLES.glob("*/scenario.yml"))


class SimulatedStageContext(FakeStageContext):
    """Answers come from the simulator instead of a list."""

    def call_model(self, provider: str, request: Request) -> Completion:
        self.requests.append((provider, request))
        return registry.get_adapter(provider).complete(request)


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulated]:
    with started("--samples", str(SAMPLES)) as simulated:
        yield simulated


def online(name: str, simulator: Simulated, settings: LazySettings) -> SimulatedStageContext:
    """A flow of a sample whose models are the simulator's."""
    settings.PROVIDERS = copy.deepcopy(settings.PROVIDERS)
    for provider, options in settings.PROVIDERS.items():
        options.update(base_url=simulator.urls[f"{provider.upper()}_BASE_URL"], api_key="simulated")
    folder = SAMPLES / name
    files = {
        path.relative_to(folder / "repo").as_posix(): path
        for path in (folder / "repo").rglob("*")
        if path.is_file()
    }
    return SimulatedStageContext(
        repo=name,
        feature_request=(folder / "feature_request.md").read_text(),
        files={name: path.read_bytes() for name, path in files.items() if path.suffix != ".pyc"},
        nonce=stage_nonce(7, UUID(int=7)),
    )


@pytest.fixture
def sample(
    request: pytest.FixtureRequest, simulator: Simulated, settings: LazySettings
) -> SimulatedStageContext:
    return online(request.param, simulator, settings)


@pytest.mark.parametrize("sample", NAMES, indirect=True)
def test_sample_goes_through_every_stage_with_one_repair(sample: SimulatedStageContext, gates: Gates) -> None:
    scenario = yaml.safe_load((SAMPLES / sample.repo / "scenario.yml").read_text())
    assert isinstance(sample.run(context.stage), Done)
    assert isinstance(sample.run(plan.stage), Done)
    assert (sample.outputs["plan"]["block_family"], sample.outputs["plan"]["block_name"]) == (
        scenario["family"],
        scenario["block"],
    )
    assert isinstance(sample.run(implement.stage), Done)
    gates(failing("mutation"))
    repair = sample.run(verify.stage)
    assert isinstance(repair, Repair)
    sample.round, sample.feedback = 2, repair.feedback
    gates()
    for stage in (implement.stage, verify.stage, review.stage, docs.stage, seal.stage):
        assert isinstance(sample.run(stage), Done)
    assert {"README.md", f"{scenario['block']}.py", "manifest.json"} <= set(sample.outputs["seal"]["paths"])
    # One question for each asking stage, and one for the repair: nothing had to be asked for twice.
    assert len(sample.requests) == 6
    assert len({request.stable for _, request in sample.requests}) == 1


def test_model_with_little_room_is_asked_file_by_file(
    simulator: Simulated, settings: LazySettings, gates: Gates
) -> None:
    """GPT-4 Turbo, as it was, writes 4,096 tokens at most: half of what three files may take."""
    sample = online("compliance-service", simulator, settings)
    sample.pinned = {"implementation.model": "gpt-4-turbo-2024-04-09"}
    for stage in (context.stage, plan.stage, implement.stage):
        assert isinstance(sample.run(stage), Done)
    asked = [request for _, request in sample.requests[2:]]
    assert [request.max_output_tokens for request in asked] == [4096] * 3
    marks = [request.prompt.partition("]")[0].partition(" files=")[2] for request in asked]
    assert marks == ["contract.json", "capital_ratio.py", "test_capital_ratio.py"]
    assert "def capital_ratio" in asked[2].prompt  # the tests are written for the module as it is
    assert [call["prompt"] for call in sample.outputs["implement"]["calls"]] == ["implement.v3"] * 3
    folder = SAMPLES / "compliance-service" / "answers"
    assert sample.artifacts["tests"].decode() in {
        path.read_text() for path in folder.glob("implement*/test_*.py")
    }


def test_small_answer_of_a_capable_model_goes_on_with_the_remaining_files(
    simulator: Simulated, settings: LazySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(implement, "ANSWER_TOKENS", 1200)
    monkeypatch.setattr(model_request, "THINKING_TOKENS", dict.fromkeys(model_request.THINKING_TOKENS, 0))
    sample = online("compliance-service", simulator, settings)
    sample.pinned = {"implementation.model": "gpt-4o"}
    for stage in (context.stage, plan.stage, implement.stage):
        assert isinstance(sample.run(stage), Done)
    asked = [request.prompt.partition("\n")[0] for _, request in sample.requests[2:]]
    assert "files=" not in asked[0]
    assert len(asked) > 1
    assert "files=" in asked[-1]
    assert {"module", "tests", "contract"} <= set(sample.artifacts)
