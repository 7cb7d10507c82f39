"""Every benchmark in its small form, in a checkout whose path has a space: it runs to its end and writes its
keys.

The longest run in ``make test-slow``, and there all run once more beside the peers, whose start takes
minutes.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bench.__main__ import list_benchmarks

ROOT = Path(__file__).parents[2]
COPIED = (
    "bench",
    "blocks",
    "deploy",
    "gates",
    "onboarding",
    "orchestrator",
    "providers",
    "samples",
    "manage.py",
    "Procfile",
)
# What the small form always measures, whether peers take part or not.
KEYS = {
    "api": {
        *("list_p95_vs_bare_view", "list_p95_vs_bare_view_alone", "queries_grow_with_flows"),
        *("queries_per_create", "queries_per_read", "queries_per_list"),
        "cli_start_cpu_s_max",
    },
    "caching": {"cost_with_vs_without_cache_default"},
    "capacity": {
        *("flows", "repos", "p95_latency_s", "success_rate", "usd_per_flow", "bound_by"),
        *("flows_500", "bound_by_500", "holds_targets_500", "flows_50000", "bound_by_50000"),
        *("bound_by_more_quota", "own_seconds_per_flow_50000", "wal_bytes_per_flow_50000"),
    },
    "context": {"over_budget_bundles", "recall", "recall_vs_bm25", "recall_vs_recency", "seconds_per_5mb"},
    "cost": {"payloads", "unexplained_differences"},
    "engine": {
        "flows_per_s_vs_bare_celery_chain",
        "flatness",
        "fairness_start_in_slot_times",
        "own_time_share",
        "statements_per_stage",
    },
    "gates": {
        "flows_per_minute_two_cores",
        "gates_cpu_seconds",
        "gates_wall_seconds_p95",
        "hostile_accepted",
        "honest_refused",
        "kill_rate",
        "sandbox_start_ms_p50",
        "weak_tests_accepted",
    },
    "limiter": {"overshoot_tokens", "pairs_per_s", "phantom_tokens", "release_ms_p95", "utilisation"},
    "provider_call": {"cpu_vs_sdk", "wall_vs_sdk"},
    "ops": {
        *("alert_acknowledged_s", "alert_end_to_end_s", "alert_resolved_s", "synthetic_alert_s"),
        *("admin_p95_ratio", "admin_queries_ratio", "scrape_p95_ratio", "scrape_queries_ratio"),
        *("tracing_flows", "tracing_overhead", "tracing_spans_per_flow"),
        *("notifications", "notifications_lost", "notifications_doubled"),
    },
    "rolling_update": {
        *("answers_5xx", "answers_before_ready", "calls_made_twice", "events_missed_or_doubled"),
        *("flows_not_passed", "followers_cut_for_good", "followers_that_reconnected", "frozen_held_stages"),
        *("killed_after_grace", "new_code_accepted_before_migration", "processes_replaced"),
        *("requests_without_answer", "stages_passed_twice", "stages_run_twice"),
    },
    "two_minutes": {
        "p50_s_v1",
        "p95_s_v1",
        "p50_s_v2",
        "p95_s_v2",
        "p95_ratio",
        "usd_per_flow_ratio",
        "repair_rounds_ratio",
        "own_time_share",
    },
    "robust": {
        "followers_held",
        "half_open_held",
        "harmless_hidden",
        "health_p95_ms_under_both",
        "redaction_s_per_5mb",
        "redaction_worst_line_s",
        "secrets_leaked",
        "web_rss_mb",
    },
    "vendors": {
        "cache_read_share_anthropic",
        "cost_with_vs_without_cache",
        "error_rows",
        "error_rows_right",
        "stream_first_progress_s",
        "unknown_spend_vs_counted",
    },
}


# What starts many processes, one after the other.
LONG = {"capacity", "limiter", "ops", "rolling_update"}
PEERS = ROOT / "bench" / ".venvs"
# What the small form measures besides where the peer takes part.
PEERS_KEYS = {
    "engine": {"flows_per_s_vs_dbos_direct", "flows_per_s_vs_dbos_queue", "flows_per_s_vs_prefect"},
    "gates": {"mutation_wall_vs_cosmic_ray", "mutation_wall_vs_mutmut"},
    "limiter": {"litellm_overshoot_tokens"},
    "provider_call": {"cpu_vs_litellm_router", "wall_vs_litellm_router"},
}


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what benchmarks need, in a path with a space, without the peers' environments."""
    folder = tmp_path_factory.mktemp("a checkout with spaces")
    # Compiled modules are copied too: to compile them again takes longer than most benchmarks.
    left_out = shutil.ignore_patterns(".venvs", ".cache", "results")
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=left_out)
        else:
            shutil.copy(ROOT / name, folder / name)
    # The benchmark of redaction reads what its tests read.
    corpus = Path("tests", "core", "redaction")
    shutil.copytree(ROOT / corpus, folder / corpus, ignore=left_out)
    # That of the gates judges the blocks of their tests.
    blocks = Path("tests", "gates")
    shutil.copytree(ROOT / blocks, folder / blocks, ignore=left_out)
    return folder


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "name", [pytest.param(each, marks=pytest.mark.slow if each in LONG else ()) for each in list_benchmarks()]
)
def test_it_runs_in_its_small_form(name: str, checkout: Path, tmp_path: Path) -> None:
    figures = run_small_form(name, checkout, tmp_path)
    assert KEYS[name] <= set(figures)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.skipif(not PEERS.exists(), reason="make bench has not built the peers' environments")
@pytest.mark.parametrize("name", sorted(PEERS_KEYS))
def test_it_runs_in_its_small_form_beside_its_peers(name: str, checkout: Path, tmp_path: Path) -> None:
    link = checkout / "bench" / ".venvs"
    link.symlink_to(PEERS)
    try:
        figures = run_small_form(name, checkout, tmp_path)
    finally:
        link.unlink()
    assert KEYS[name] | PEERS_KEYS[name] <= set(figures)


def run_small_form(name: str, checkout: Path, results: Path) -> dict[str, Any]:
    """Run one benchmark in the copy, to its end; the figures that it wrote."""
    # Benchmarks start servers of their own. Coverage of their processes would slow them down for nothing.
    given = {
        key: value for key, value in os.environ.items() if not key.startswith(("DATABASE_", "REDIS_", "COV"))
    }
    given |= {
        "PYTHONPATH": str(checkout),
        "SANDBOX_VENV": os.environ.get("SANDBOX_VENV", str(ROOT / ".venv-sandbox")),
    }
    command = [sys.executable, "-m", "bench", name, "--small", "--results", str(results)]
    done = subprocess.run(command, cwd=checkout, env=given, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert not (checkout / "bench" / "results").exists()
    figures: dict[str, Any] = json.loads((results / f"{name}.json").read_text(encoding="utf-8"))
    return figures
