"""``make prompts``: with keys the whole path, before vendors that are as strict as the real ones; without,
what would be sent.
"""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from bench import model_prompts
from tests.providers.simulated import started

ROOT = Path(__file__).parents[2]
QUICK = "devops-tooling"
REPAIRED = "compliance-service"
FURTHER = "iban_check"


def test_the_samples_and_ten_further_requests_are_run() -> None:
    trials = model_prompts.list_trials()
    samples = {path.name for path in (ROOT / "samples").iterdir() if path.is_dir()} - {"never-passes"}
    further = {path.stem for path in (ROOT / "bench" / "prompts").glob("*.md")}
    assert {trial.name for trial in trials} == samples | further
    assert (len(further), len(trials)) == (10, len(samples) + 10)
    assert len({trial.text for trial in trials}) == len(trials)
    assert all(trial.text.startswith("# ") and trial.repo.is_dir() for trial in trials)


def test_without_keys_every_request_is_checked_and_no_model_asked(
    settings, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.PROVIDERS = {name: {**terms, "api_key": ""} for name, terms in settings.PROVIDERS.items()}
    assert model_prompts.try_prompts([QUICK, "csv_import"]) == 0
    said = capsys.readouterr().out
    assert "10 requests checked, 0 would be refused. No model was asked" in said
    assert "ANTHROPIC_API_KEY" in said


def test_a_request_that_a_vendor_refuses_is_found() -> None:
    (trial,) = model_prompts.list_trials([QUICK])
    for _, request in model_prompts.capture_requests(trial):
        assert model_prompts.find_refusal(request) == ""
        assert model_prompts.find_refusal(replace(request, max_output_tokens=10_000_000)).startswith("400 ")


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_with_keys_the_flows_run_and_the_figures_are_written(tmp_path: Path) -> None:
    with started("--samples", str(ROOT / "samples")) as simulated:
        dropped = ("BLOCKS_", "COV", "DATABASE_URL", "REDIS_URL")
        given = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
        # A model whose vendor caches prefixes of this size by itself.
        given |= {"BENCH_RESULTS": str(tmp_path), "IMPLEMENTATION_MODEL": "gpt-4.1"}
        for vendor in ("ANTHROPIC", "OPENAI", "GOOGLE"):
            given |= {f"{vendor}_API_KEY": "any", f"{vendor}_BASE_URL": simulated.urls[f"{vendor}_BASE_URL"]}
        command = [sys.executable, "-m", "bench.model_prompts", QUICK, REPAIRED, FURTHER]
        done = subprocess.run(command, cwd=ROOT, env=given, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        counters = simulated.call("GET")["counters"].values()
    results = json.loads((tmp_path / "prompts.json").read_text(encoding="utf-8"))
    # One passes at once, one after a repair, and what the simulated vendors do not know fails.
    assert (results["flows"], results["passed_first_round"], results["passed_last_round"]) == (
        3,
        0.333,
        0.667,
    )
    assert results["not_passed"] == FURTHER
    assert results["asked_elsewhere"] == "anthropic openai google"
    figures: dict[str, dict[str, float]] = {"calls": {}, "tokens": {}, "cache_share": {}, "usd": {}}
    figures["seconds_p50"] = {}
    for key, value in results.items():
        for name, by_stage in figures.items():
            if key.endswith(f"_{name}"):
                by_stage[key.removesuffix(f"_{name}")] = value
    stages = set(figures["calls"])
    assert {key.partition("_")[0] for key in stages} == {"context", "plan", "implement", "review", "docs"}
    assert "implement_gpt-4.1" in {key.removesuffix("-2025-04-14") for key in stages}
    assert all(set(by_stage) == stages for by_stage in figures.values())
    assert sum(figures["calls"].values()) == sum(one["requests"] for one in counters) >= 11
    assert sum(figures["tokens"].values()) == sum(one["tokens"] for one in counters)
    assert sum(figures["usd"].values()) == pytest.approx(3 * results["usd_per_flow"], abs=0.001)
    # Nothing was generated for the request that the simulated vendor refuses.
    assert all((figures["usd"][key] > 0) == (tokens > 0) for key, tokens in figures["tokens"].items())
    assert all(value > 0 for value in figures["seconds_p50"].values())
    assert all(0 <= share < 1 for share in figures["cache_share"].values())
    # The repair shows the same plan and contract again.
    assert figures["cache_share"]["implement_gpt-4.1"] > 0
