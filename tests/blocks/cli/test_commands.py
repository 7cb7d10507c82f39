"""`blocks` against the service: what the runbook types, and the exit codes that scripts rely on."""

import json
import re
import subprocess
import threading

import pytest
from django.db import connection

from blocks.format import snapshot
from orchestrator.flows.models import Flow
from orchestrator.repos import tokens
from providers import breaker, limiter
from tests import scenes
from tests.web import story


def test_what_an_operator_types_in_the_runbook(blocks, repo, settings):
    settings.REPO_ALLOWLIST = (repo.name,)
    scenes.make_repo("financial-reporting")
    operator = {"BLOCKS_TOKEN": tokens.create_token("sre")[1]}
    assert "enabled: true\n" in blocks("config", "show", "--repo", repo.name, **operator).stdout
    assert "enabled: false\n" in blocks("config", "show", "--repo", "financial-reporting", **operator).stdout
    for key, value in (
        ("context.pruning.enabled", "true"),
        ("context.max_size_kb", "180"),
        ("fallback.model", "gpt-4-turbo"),
    ):
        assert blocks("config", "set", key, value).returncode == 0
        assert blocks("config", "get", key).stdout == f"{value}\n"
    quota = blocks("quota", "show", "--all").stdout
    assert [line.split()[0] for line in quota.splitlines()[1:4]] == ["anthropic", "openai", "google"]


def test_a_setting_that_is_refused_is_wrong_usage_with_a_cure(blocks):
    found = blocks("config", "set", "gates.min_unit_coverage", "10", "--json")
    assert found.returncode == 2
    assert "cure:" in found.stderr
    assert json.loads(found.stdout)["error"]["code"] == "config:below-organisation"


def test_a_passed_flow_is_fetched_checked_and_placed(blocks, work):
    flow = scenes.run_through(scenes.make_flow())
    found = blocks("flow", "follow", flow.id)
    assert found.returncode == 0, found.stderr
    assert found.stdout.splitlines()[-1] == f"FLOW PASSED {flow.id}"
    assert "mutation" in found.stdout
    assert "anthropic $0.0426" in found.stdout
    folder = work / ".blocks/catalog/compliance/capital_ratio"
    assert (folder / "capital_ratio.py").is_file()
    assert (folder / "evidence/coverage/coverage.json").is_file()
    assert (work / ".blocks/schemas/compliance.capital_ratio.json").is_file()
    assert str(folder) in found.stdout


def test_a_failed_flow_ends_with_gate_cure_and_code_1(blocks, work):
    flow = scenes.run_through(scenes.make_flow(), gates_fail=True)
    found = blocks("flow", "follow", flow.id)
    assert found.returncode == 1
    assert found.stdout.splitlines()[-1] == f"FLOW FAILED {flow.id}"
    assert "cure: Describe the limits" in found.stdout
    assert not (work / ".blocks/catalog").exists()


def test_verify_show_has_an_exit_code_for_every_state(blocks):
    failed = scenes.run_through(scenes.make_flow(), gates_fail=True)
    found = blocks("verify", "show", failed.id, "--verbose")
    assert found.returncode == 1
    assert "capital_ratio.py:12" in found.stdout
    assert "cure: Test the limits of each comparison." in found.stdout
    assert blocks("verify", "show", scenes.run_through(scenes.make_flow()).id).returncode == 0
    assert blocks("verify", "show", scenes.make_flow().id).returncode == 8
    assert blocks("verify", "show", scenes.cancel_flow(scenes.make_flow()).id).returncode == 2
    assert blocks("verify", "show", "task_none").returncode == 2
    document = json.loads(blocks("verify", "show", failed.id, "--json").stdout)
    assert {gate["gate"] for gate in document["gates"]} == {"contract", "coverage", "mutation"}


def test_verify_show_verbose_shows_lines_mutants_and_rounds(blocks):
    found = blocks("verify", "show", story.tell_flow().id, "--verbose").stdout.splitlines()
    assert "  cure: Fix schema or implementation, then retry." in found
    at = found.index("  clip.py:5  comparison")
    assert found[at + 1 : at + 3] == ["    -     if value > LIMIT:", "    +     if value < LIMIT:"]
    assert "  Sabotage not detected: clip.py 7" in found
    assert "        4 | def clip(value: int) -> int:" in found  # under the reviewer's remark
    assert "round 2: clip.py +1 -1" in found


def test_verify_show_ends_with_the_first_cure_while_the_flow_continues(blocks):
    flow = scenes.make_flow()
    cure = "Fix schema or implementation, then retry."
    report = scenes.make_report("contract", "failed", cure=cure)
    scenes.finish_stage(scenes.start_kind(flow, "context"), gates=(report,))
    found = blocks("verify", "show", flow.id)
    assert found.returncode == 8
    assert "cure: contract: Fix schema or implementation, then retry." in found.stdout


def test_status_lists_and_filters(blocks):
    passed, failed = (
        scenes.run_through(scenes.make_flow()),
        scenes.run_through(scenes.make_flow(), gates_fail=True),
    )
    everything = blocks("status", "flows").stdout
    assert passed.id in everything
    assert failed.id in everything
    only = json.loads(blocks("status", "flows", "--failed", "--last-1h", "--json").stdout)["flows"]
    assert [flow["id"] for flow in only] == [failed.id]


def test_a_run_sends_what_git_does_not_ignore(blocks, work, repo):
    (work / ".gitignore").write_text("*.log\n")
    (work / "a.log").write_text("noise")
    (work / "src").mkdir()
    (work / "src/ratio.py").write_text("x = 1\n")
    (work / ".env").write_text("KEY=secret\n")
    (work / "bytes.dat").write_bytes(b"\0\xff")
    (work / "link.py").symlink_to("/etc/hostname")
    (work / "fr.md").write_text("# Ratio\nCompute it.\n")
    subprocess.run(["git", "-C", str(work), "add", "src"], check=True)
    found = blocks("flow", "run", "--input", "fr.md", "--no-follow")
    assert found.returncode == 0, found.stderr
    flow = Flow.objects.get()
    assert found.stdout.strip() == flow.id
    assert snapshot.unpack(bytes(flow.snapshot.content)) == {
        ".gitignore": b"*.log\n",
        "bytes.dat": b"\0\xff",
        "fr.md": b"# Ratio\nCompute it.\n",
        "src/ratio.py": b"x = 1\n",
    }


def test_a_run_that_wants_no_context_says_so(blocks, work):
    (work / "fr.md").write_text("# Ratio\nCompute it.\n")
    assert blocks("flow", "run", "--input", "fr.md", "--no-follow", "--no-context").returncode == 0
    assert bytes(Flow.objects.get().snapshot.content) == b"{}"


def test_a_run_follows_what_happens_to_its_end(blocks, work):
    (work / "fr.md").write_text("# Ratio\nCompute it.\n")

    def play() -> None:
        """The part of the workers, once the flow is there."""
        while not Flow.objects.exists():
            connection.close()
        flow = Flow.objects.get()
        scenes.run_through(flow)
        connection.close()

    workers = threading.Thread(target=play)
    workers.start()
    found = blocks("flow", "run", "--input", "fr.md", "--json")
    workers.join()
    assert found.returncode == 0, found.stderr
    document = json.loads(found.stdout)
    assert document["status"] == "passed"
    assert document["block_path"].endswith(".blocks/catalog/compliance/capital_ratio")
    assert [gate["gate"] for gate in document["gates"]] == ["contract", "coverage", "mutation"]


def test_the_flow_continues_after_the_timeout(blocks, work):
    (work / "fr.md").write_text("# Ratio\n")
    found = blocks("flow", "run", "--input", "fr.md", "--timeout", "0.1")
    assert found.returncode == 8
    flow = Flow.objects.get()
    assert f"blocks flow follow {flow.id}" in found.stderr
    assert flow.status == "pending"
    assert blocks("flow", "cancel", flow.id).returncode == 0
    assert blocks("flow", "follow", flow.id).returncode == 2


def test_not_allowed(blocks, repo, work):
    (work / "fr.md").write_text("# Ratio\n")
    assert blocks("status", "flows", BLOCKS_TOKEN="blk_wrong").returncode == 4
    repo.enabled = False
    repo.save()
    found = blocks("flow", "run", "--input", "fr.md")
    assert found.returncode == 4
    assert "REPO_ALLOWLIST" in found.stderr
    assert blocks("flow", "run", "--input", "fr.md", "--repo", "other").returncode == 4


def test_retry(blocks):
    flow = scenes.run_through(scenes.make_flow(), gates_fail=True)
    assert blocks("flow", "retry", flow.id).returncode == 0
    assert blocks("flow", "retry", flow.id).returncode == 2
    assert blocks("test-flow", "--input", "missing.md").returncode == 2


def test_operators_pause_and_resume_a_provider(blocks):
    secret = tokens.create_token("sre", None)[1]
    paused = blocks("quota", "pause", "openai", "--reason", "an outage", BLOCKS_TOKEN=secret)
    assert paused.stdout.strip() == "openai is paused by token:sre: an outage"
    assert "paused: an outage" in blocks("quota", "show").stdout
    assert blocks("quota", "pause", "openai", "--reason", "x").returncode == 4
    assert json.loads(
        blocks("quota", "resume", "openai", "--reason", "over", "--json", BLOCKS_TOKEN=secret).stdout
    )["changed"]
    assert blocks("quota", "show", "--all").stdout.splitlines()[2].split()[-1] == "ok"


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_quotas_are_read_whole_on_any_terminal(blocks, settings, columns):
    everything = limiter.Limits(10**12, 10**12, 10**9, 10**6, 10**18)
    for provider, used in (("anthropic", 1_710_000), ("openai", 1_430_000)):
        verdict = limiter.acquire(
            limiter.ReservationRequest(provider, "m", used, 10**11, timeout_seconds=60), everything
        )
        assert isinstance(verdict, limiter.Admitted)
        limiter.keep_charged(verdict.call_id, provider, code="x", message="", health=limiter.Health.SILENT)
    breaker.pause_provider("google", actor="sre", reason="the bill looks wrong")
    said = blocks(
        "quota", "show", "--all", COLUMNS=str(columns), FORCE_COLOR="1", NO_COLOR="1", TERM="xterm"
    ).stdout
    lines = re.sub(r"\x1b\[[0-9;]*m", "", said).splitlines()
    assert "…" not in said
    assert max(map(len, lines)) <= columns
    assert [line.split()[-1] for line in lines[1:4]] == ["waiting", "waiting", "paused"]
    assert "google: paused: the bill looks wrong" in lines
    words = " ".join(" ".join(lines).split())
    assert "anthropic: 85 % of daily tokens used; capacity returns" in words
    assert "so much is used that the rollout is to be rolled back; 1 call of unknown use, $100.00" in words
    assert ["google", "0/32", "0/300", "0/200,000"] in [line.split() for line in lines]
