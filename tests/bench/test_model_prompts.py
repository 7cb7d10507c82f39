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
@pytest.mark.timeout(400)
def test_with_keys_the_flows_run_and_the_figures_are_written(tmp_path: Path) -> None:
    with started("--samples", str(ROOT / "samples")) as simulated:
        dropped = ("BLOCKS_", "COV", "DATABASE_URL", "REDIS_URL")
        given = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
        given |= {"BENCH_RESULTS": str(tmp_path)}
        for vendor in ("ANTHROPIC", "OPENAI", "GOOGLE"):
            given |= {f"{vendor}_API_KEY": "any", f"{vendor}_BASE_URL": simulated.urls[f"{vendor}_BASE_URL"]}
        command = [sys.executable, "-m", "bench.model_prompts", QUICK]
        done = subprocess.run(command, cwd=ROOT, env=given, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        asked = sum(simulated.requests(vendor) for vendor in ("anthropic", "openai", "google"))
    results = json.loads((tmp_path / "prompts.json").read_text(encoding="utf-8"))
    assert (results["flows"], results["passed_last_round"]) == (1, 1.0)
    assert results["asked_elsewhere"] == "anthropic openai google"
    assert results["usd_per_flow"] > 0
    calls = {key: value for key, value in results.items() if key.endswith("_calls")}
    assert sum(calls.values()) == asked >= 5
    assert {key.partition("_")[0] for key in calls} == {"context", "plan", "implement", "review", "docs"}
    assert all(0 <= value <= 1 for key, value in results.items() if key.endswith("_cache_share"))
