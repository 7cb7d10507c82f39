"""`blocks metrics export` as the launch runbook types it, through a shell."""

import csv
import io
import json
import subprocess

import pytest

from blocks.cli import metrics
from blocks.cli.errors import Failure
from orchestrator.repos import tokens
from tests import scenes
from tests.blocks.conftest import blocks, offline, repo, work  # noqa: F401 - fixtures
from tests.ops.history import move_back
from tests.ops.launch_runbook import read_facts

(EXPORT,) = read_facts()["metrics_exports"]
GREP = 'grep "❌"'


@pytest.fixture
def operator(transactional_db) -> dict[str, str]:
    return {"BLOCKS_TOKEN": tokens.create_token("sre")[1]}


def test_the_standup_of_the_runbook(blocks, operator, tmp_path):  # noqa: F811
    move_back(scenes.run_through(scenes.make_flow()), 0.1)
    words = EXPORT.split()[1:]
    file = tmp_path / "daily_report.md"

    def grep() -> list[str]:
        done = blocks(*words, **operator)
        assert done.returncode == 0, done.stderr
        file.write_text(done.stdout, encoding="utf-8")
        found = subprocess.run(["grep", "❌", file], capture_output=True, text=True, check=False)
        return found.stdout.splitlines()

    assert grep() == []
    assert file.read_text(encoding="utf-8").startswith("# Daily report: ")
    move_back(scenes.run_through(scenes.make_flow(), gates_fail=True), 0.1)
    assert any(line.startswith("- Success rate: 50 % (target: at least 99 %) ❌") for line in grep())


def test_machines_get_json_or_csv(blocks, operator):  # noqa: F811
    found = json.loads(blocks("metrics", "export", "--last-7d", "--format", "json", **operator).stdout)
    assert found["kind"] == "daily"
    rows = list(csv.DictReader(io.StringIO(blocks("metrics", "export", "--format", "csv").stdout)))
    assert {"section", "key", "value", "target", "met"} <= set(rows[0])


def test_a_repo_has_its_own_figures(blocks, repo, operator):  # noqa: F811
    found = json.loads(blocks("metrics", "export", "--format", "json").stdout)
    assert found["repo"] == repo.name
    refused = blocks("metrics", "export", "--repo", "other")
    assert refused.returncode == 4


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (("--last-24h", "--last-7d"), "More than one time"),
        (("--day", "2026-11-01", "--last-7d"), "More than one time"),
        (("--day", "tomorrow"), "'tomorrow' is not a day"),
        (("--format", "pdf"), "pdf"),
    ],
)
def test_wrong_usage_says_what_to_do(blocks, operator, words, what):  # noqa: F811
    done = blocks("metrics", "export", *words, **operator)
    assert done.returncode == 2
    assert what in done.stderr


def test_the_evidence_package_is_written_below_a_folder(blocks, operator, tmp_path):  # noqa: F811
    asked = ("metrics", "soak", "--first", "2026-11-16", "--last", "2026-11-20")
    done = blocks(*asked, "--into", str(tmp_path), **operator)
    assert done.returncode == 0, done.stderr
    for path in read_facts()["evidence_files"]:
        assert f"wrote {tmp_path / path}\n" in done.stdout
        assert (tmp_path / path).read_text(encoding="utf-8").startswith("# ")
    assert blocks(*asked, **operator).stdout.startswith("# Soak observation report: 2026-11-16 to 2026-11-20")


def test_other_reports_are_for_operators(blocks, operator):  # noqa: F811
    assert blocks("metrics", "weekly", **operator).stdout.startswith("📊 **Orchestrator Weekly Update")
    days = ("--first", "2026-11-16", "--last", "2026-11-20")
    assert blocks("metrics", "rollout", *days, **operator).stdout.startswith("# Rollout report")
    assert blocks("metrics", "weekly").returncode == 4
    # Neither days nor a setting.
    assert blocks("metrics", "soak", **operator).returncode == 2


def test_a_service_cannot_write_outside_of_the_folder(tmp_path):
    with pytest.raises(Failure, match="leads out of the folder"):
        metrics._write_files(tmp_path, [{"path": "../x", "text": ""}])
