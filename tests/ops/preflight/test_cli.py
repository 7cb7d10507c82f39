"""``blocks preflight`` as an operator types it."""

import json

from orchestrator.ops.alerts.models import AlertTestResult
from orchestrator.ops.preflight.check_protocol import PREFLIGHT_CHECKS, judge
from orchestrator.repos import tokens
from tests.blocks.conftest import blocks, offline, repo, work  # noqa: F401 - fixtures


def test_the_command_answers_and_exits_by_what_it_found(blocks, monkeypatch):  # noqa: F811
    sre = tokens.create_token("sre")[1]
    done = blocks("preflight", "--phase", "7", BLOCKS_TOKEN=sre)
    assert done.returncode == 1, done.stderr
    assert "FlowEngine scaled to 5 replicas (from pilot: 3)" in done.stdout
    assert "cure: Type `kubectl scale deployment flowengine" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("phase 7: not ready: ")
    # Who reads a repo only is not told what keys there are.
    assert blocks("preflight").returncode == 4
    for words in (("--phase", "5"), ("--confirm", "a", "--deny", "b"), ("--confirm", "autoscaler")):
        assert blocks("preflight", *words, BLOCKS_TOKEN=sre).returncode == 2
    # Where nothing fails, people are still asked, and then it is ready.
    for name, check in PREFLIGHT_CHECKS.items():
        if name != "approval":
            good = [judge(line.key, True, "seen", "") for line in check.lines]
            monkeypatch.setattr(check, "look", lambda found=good: iter(found))
    assert blocks("preflight", "--phase", "7", BLOCKS_TOKEN=sre).returncode == 8
    answer = ("--confirm", "g6", "--person", "Ann", "--note", "minutes of Dec 5")
    done = blocks("preflight", "--phase", "7", *answer, "--json", BLOCKS_TOKEN=sre)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    (line,) = [line for line in report["lines"] if line["key"] == "g6"]
    assert (report["ready"], line["answer"]["person"]) == (True, "Ann")
    # Without Prometheus each test fails, which the report tells.
    done = blocks("preflight", "--test-alerts", BLOCKS_TOKEN=sre)
    assert "mass_failure: " in done.stderr
    assert AlertTestResult.objects.count() == 4
