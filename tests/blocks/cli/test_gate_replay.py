"""Gates in the surroundings of a repo, and a replay in the same ones.

Engine, sandbox, installer and simulator are real.
"""

import json
import shutil
from pathlib import Path

import pytest
from django.conf import LazySettings

from blocks.format import snapshot
from gates import environments
from orchestrator.celery import app
from orchestrator.flows import engine
from orchestrator.flows.engine import broker
from orchestrator.flows.models import Artifact, Blob, Flow, Replay, ReplayKind
from orchestrator.flows.replay import gate_replay
from orchestrator.flows.worker import runner
from orchestrator.repos.models import Repo
from providers import registry
from tests.blocks.conftest import Blocks
from tests.gates.blocks import CONTRACT, MODULE, TESTS
from tests.gates.test_environments import NAME, index, wheel  # noqa: F401 - index is a fixture
from tests.providers import simulated

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(600)]
REQUEST = "# Parcel fee\n\nThe fee of a parcel in cents."
IMPORTS = f'"""Shipping fees."""\n\nfrom parcel_limits import HEAVIEST\nfrom {NAME} import base as _base\n'


def sample(folder: Path) -> Path:
    """A scenario of the simulator whose block needs a module of its repo and a package."""
    answers, block = folder / "parcel" / "answers", answers_of_implement(folder)
    (answers / "plan.json").write_text(
        json.dumps(
            {
                "block_name": "parcel",
                "block_family": "logistics",
                "summary": "The fee of a parcel.",
                "steps": ["Look the base up."],
                "entrypoints": [
                    {
                        "summary": "The fee.",
                        "raises": [],
                        **{key: entry[key] for key in entry if key != "examples"},
                        **{side: json.dumps(entry[side]) for side in ("input", "output")},
                    }
                    for entry in CONTRACT["entrypoints"]
                ],
                "risks": [],
                "tests": ["500 g cost 250"],
                "examples": [
                    {
                        "call": "fee",
                        "construct": "{}",
                        "input": json.dumps({"weight": 500}),
                        "output": "250",
                        "raises": "",
                    }
                ],
                "capabilities": [],
                "private_modules": [],
                "contradictions": [],
            }
        )
    )
    (answers / "context.json").write_text(json.dumps({"summary": "Parcels.", "conventions": []}))
    (answers / "review.json").write_text(
        json.dumps({"verdict": "approve", "summary": "Right.", "findings": [], "wrong_examples": []})
    )
    (answers / "docs").mkdir()
    (answers / "docs" / "README.md").write_text("# Parcel\n\nFees.\n")
    module = MODULE.replace('"""Shipping fees."""\n', IMPORTS).replace(
        "base = 250\n", "base = _base(weight)\n"
    )
    (block / "parcel.py").write_text(module.replace("weight > 30000", "weight > HEAVIEST"))
    (block / "test_parcel.py").write_text(TESTS)
    (block / "contract.json").write_text(json.dumps(CONTRACT))
    (folder / "parcel" / "feature_request.md").write_text(REQUEST)
    (folder / "parcel" / "scenario.yml").write_text(
        json.dumps(
            {
                "title": "Parcel fee",
                "repo": "parcels",
                "family": "logistics",
                "block": "parcel",
                "expect": "passed",
                "answers": {
                    "context": ["context.json"],
                    "plan": ["plan.json"],
                    "implement": ["implement"],
                    "review": ["review.json"],
                    "docs": ["docs"],
                },
            }
        )
    )
    return folder


def answers_of_implement(folder: Path) -> Path:
    made = folder / "parcel" / "answers" / "implement"
    made.mkdir(parents=True)
    return made


@pytest.fixture
def flow(
    tmp_path: Path,
    settings: LazySettings,
    monkeypatch: pytest.MonkeyPatch,
    index: Path,  # noqa: F811 - the fixture
    repo: Repo,
) -> Flow:
    """A verified flow whose block uses code of its repo and a package."""
    settings.STATE_DIR = tmp_path / "state"
    monkeypatch.setattr(broker, "send_route", lambda route: True)

    def send(name: str, args: tuple[int], **_: object) -> None:
        # What prepares the gates is a courtesy, and may get lost.
        if name != broker.PREPARE_STAGE_TASK:
            gate_replay.run_requested(*args)

    monkeypatch.setattr(app, "send_task", send)
    files = {
        "parcel_limits.py": b"HEAVIEST = 30000\n",
        ".blocks/config.yml": json.dumps({"repo": "parcels", "dependencies": [wheel(index)]}).encode(),
    }
    with simulated.started("--samples", str(sample(tmp_path / "samples"))) as simulator:
        settings.PROVIDERS = {
            name: {**limits, "api_key": "k", "base_url": simulator.urls[f"{name.upper()}_BASE_URL"]}
            for name, limits in settings.PROVIDERS.items()
        }
        made = engine.create(repo, REQUEST, snapshot=snapshot.pack(files))
        while live := made.stages.filter(status="ready").first():
            runner.run_stages(live.pk)
        registry.close_adapters()
    made.refresh_from_db()
    assert made.status == "passed", (
        made.error_code,
        made.error_message,
        list(made.stages.values("kind", "status", "wait_reason")),
    )
    return made


def replayed(flow: Flow) -> Replay:
    asked = Replay.objects.create(flow=flow, kind=ReplayKind.GATES)
    gate_replay.run_requested(asked.pk)
    asked.refresh_from_db()
    assert asked.status == "done"
    return asked


@pytest.mark.slow
def test_the_surroundings_of_a_block_are_in_its_evidence_and_restored(
    flow: Flow,
    blocks: Blocks,
    index: Path,  # noqa: F811 - the fixture
    settings: LazySettings,
) -> None:
    manifest = json.loads(bytes(flow.block.manifest.content))
    config = json.loads(snapshot.unpack(bytes(flow.snapshot.content))[".blocks/config.yml"])
    assert manifest["snapshot"] == {"sha256": flow.snapshot_id, "origin": ""}
    assert manifest["dependencies_sha256"] == environments.digest_pins(config["dependencies"])

    cache = settings.STATE_DIR / "environments"
    shutil.rmtree(cache)
    found = blocks("verify", "replay", flow.id, "--json")
    assert found.returncode == 0, found.stderr + found.stdout
    told = json.loads(found.stdout)
    assert (told["same"], told["error"]) == (True, None)
    assert {row["gate"] for row in told["comparison"]} == {"contract", "coverage", "mutation", "security"}
    assert [path for path in cache.iterdir() if path.is_dir()], "the packages were installed again"

    for file in index.iterdir():
        file.unlink()
    assert replayed(flow).error is None, "what is in the cache needs no index"
    shutil.rmtree(cache)
    found = blocks("verify", "replay", flow.id)
    assert found.returncode == 1
    assert "NOT REPLAYED: The original packages are not available" in found.stdout
    assert NAME.replace("_", "-") in found.stdout

    tampered = snapshot.pack({"parcel_limits.py": b"HEAVIEST = 1\n"})
    Blob.objects.filter(pk=flow.snapshot_id).update(content=tampered)
    found = blocks("verify", "replay", flow.id)
    assert found.returncode == 1
    assert f"The repo's snapshot {flow.snapshot_id} was changed" in found.stdout
    assert "cure: " in found.stdout
    error = replayed(flow).error
    assert error is not None
    assert error["code"] == "replay:snapshot-changed"

    manifest_of_block = Artifact.objects.select_related("blob").get(flow=flow, kind="block")
    Blob.objects.filter(pk=manifest_of_block.blob_id).update(
        content=bytes(manifest_of_block.blob.content).replace(
            b"The fee of a parcel.", b"The fee of a parrot."
        )
    )
    error = replayed(flow).error
    assert error is not None
    assert error["code"] == "replay:block-changed"
