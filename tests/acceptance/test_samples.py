"""Every sample, as its owner would run it: the files on disk, the terminal's output, a script's output."""

import hashlib
import json
from pathlib import Path

import pytest

from orchestrator.dev import demo
from tests.acceptance.product import Product

PASSING = sorted(set(demo.list_samples()) - {"never-passes"})
QUICK = "devops-tooling"
pytestmark = pytest.mark.timeout(600)


@pytest.mark.parametrize(
    "sample", [name if name == QUICK else pytest.param(name, marks=pytest.mark.slow) for name in PASSING]
)
def test_a_sample_becomes_a_verified_block(product: Product, tmp_path: Path, sample: str) -> None:
    work, repo = product.checkout(sample, tmp_path), demo.find_sample_repo(sample)
    code, flow = product.run(work, repo)
    assert (code, flow["status"], flow["error"]) == (0, "passed", None)
    assert {gate["gate"] for gate in flow["gates"]} == {
        "contract",
        "coverage",
        "mutation",
        "security",
        "review",
    }
    assert float(flow["cost_usd"]) > 0
    assert set(flow["cost_by_provider"]) == {"anthropic", "openai", "google"}
    # Verify, review and docs ran at the same time: with these stages one by one it would have taken longer.
    assert flow["time"]["stage_overlap"] > 1
    assert flow["time"]["critical_path_seconds"] < sum(stage["duration_seconds"] for stage in flow["stages"])
    assert flow["time"]["bound_by"]

    block = Path(flow["block_path"])
    assert block.parts[:-2] == (work / ".blocks" / "catalog").parts
    assert json.loads(Path(flow["schema_path"]).read_text(encoding="utf-8"))
    manifest = json.loads((block / "manifest.json").read_text(encoding="utf-8"))
    assert len(manifest["files"]) > 5
    for name, entry in manifest["files"].items():
        assert hashlib.sha256((block / name).read_bytes()).hexdigest() == entry["sha256"]

    # What was planned is what was sealed: whole, and equal.
    planned = product.rows(
        "SELECT output FROM flows_stage WHERE flow_id = %s AND kind = 'plan' AND status = 'passed'",
        flow["id"],
    )[0]["output"]["entrypoints"]
    sealed = json.loads((block / "contract.json").read_text(encoding="utf-8"))["entrypoints"]
    assert planned
    assert planned == [{key: entry[key] for key in entry if key != "examples"} for entry in sealed]

    shown = product.blocks(work, "verify", "show", flow["id"], "--verbose")
    assert shown.returncode == 0
    assert "mutation" in shown.stdout
    listed = product.blocks(work, "status", "flows", "--last-1h")
    assert flow["id"] in listed.stdout


def test_the_one_that_can_never_pass_fails_with_the_gate_and_the_cure(
    product: Product, tmp_path: Path
) -> None:
    work = product.checkout("never-passes", tmp_path)
    done = product.blocks(
        work,
        "flow",
        "run",
        "--input",
        "feature_request.md",
        "--repo",
        demo.find_sample_repo("never-passes"),
        "--follow",
    )
    assert done.returncode == 1
    assert "contract gate failed" in done.stdout
    assert "cure:" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("FLOW FAILED task_")
    assert [
        path
        for path in (work / ".blocks").rglob("*")
        if path.is_file() and path.name not in {"config.yml", ".gitkeep", ".gitattributes"}
    ] == []
    shown = product.blocks(work, "verify", "show", done.stdout.split()[-1], "--verbose")
    assert shown.returncode == 1
    # The reviewer, who judges beside the gates, finds the same again in round 2, so a third would be wasted.
    assert "round 2" in shown.stdout


def test_the_same_key_and_request_give_the_same_flow(product: Product, tmp_path: Path) -> None:
    work, repo = product.checkout(QUICK, tmp_path), demo.find_sample_repo(QUICK)
    words = (
        "flow",
        "run",
        "--input",
        "feature_request.md",
        "--repo",
        repo,
        "--no-follow",
        "--idempotency-key",
        "job-7",
    )
    first, second = (product.blocks(work, *words).stdout.strip() for _ in range(2))
    assert first == second != ""
    assert product.blocks(work, "flow", "cancel", first).returncode == 0
