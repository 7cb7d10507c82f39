"""The procedures of the launch runbook, typed from top to bottom on one deployment that has flows in it.

``test_launch_commands`` looks at what each command does; here the order counts. What only a cluster can
answer is held to the manifests in ``tests/deploy/test_launch_runbook.py``, and has the same effect here.
"""

import json
import re
import shlex
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection

from orchestrator.ops.dashboards import grafana
from orchestrator.repos import tokens
from tests import scenes
from tests.blocks.conftest import blocks, offline, repo, work  # noqa: F401 - fixtures
from tests.deploy import launch_runbook as cluster
from tests.ops.alerting.test_chain import chain  # noqa: F401 - a fixture
from tests.ops.launch_runbook import read_facts
from tests.ops.test_launch_commands import TEXT, scene  # noqa: F401 - a fixture

PROCEDURES = read_facts()["procedures"]
AT_THE_CLUSTER = set(cluster.read_facts()["commands"])


class Shell:
    """Types one step after another, and keeps what the last ones printed."""

    def __init__(self, run: Any, settings: Any) -> None:
        self.run = run
        self.settings = settings
        self.files: dict[str, str] = {}
        self.printed: list[tuple[str, str]] = []

    def type(self, step: str) -> str:
        """What the step prints; it has to succeed."""
        program = step.split()[0]
        said: str = getattr(self, f"_type_{program}")(step)
        self.printed.append((step, said))
        return said

    def _type_blocks(self, step: str) -> str:
        typed, _, file = step.partition(" > ")
        words = [TEXT if word == "TEXT" else word for word in shlex.split(typed)]
        done = self.run(*words[1:], BLOCKS_TOKEN=tokens.create_token("sre")[1])
        assert done.returncode == 0, (step, done.stdout, done.stderr)
        self.files[file] = done.stdout
        return str(done.stdout)

    def _type_kubectl(self, step: str) -> str:
        # Held to the manifests where each of these is tried.
        assert step in AT_THE_CLUSTER, step
        allowed = re.search(r"REPO_ALLOWLIST=(\S+)", step)
        if allowed:
            # The pods start again with it.
            self.settings.REPO_ALLOWLIST = (allowed[1],)
        return ""

    def _type_psql(self, step: str) -> str:
        with connection.cursor() as cursor:
            cursor.execute(shlex.split(step)[2])
            return "\n".join(" | ".join(map(str, row)) for row in cursor.fetchall())

    def _type_curl(self, step: str) -> str:
        uid = step.rsplit("/", 1)[1]
        # Grafana serves what it was given: this file.
        return json.dumps(grafana.build_all()[f"{uid}.json"])

    def _type_grep(self, step: str) -> str:
        wanted, file = re.fullmatch(r'grep "(.+)" (.+)', step).groups()  # type: ignore[union-attr]
        return "\n".join(line for line in self.files[file].splitlines() if wanted in line)


@pytest.fixture
def shell(scene, settings) -> Shell:  # noqa: F811
    """A deployment with a pilot repo, one that came later, and flows of both; one has failed."""
    settings.REPO_ALLOWLIST = ()
    later = scenes.make_repo("financial-reporting")
    type(later).objects.filter(pk=later.pk).update(onboarded_at=datetime(2025, 11, 20, tzinfo=UTC))
    pilot = scenes.make_repo()
    type(pilot).objects.filter(pk=pilot.pk).update(onboarded_at=datetime(2025, 11, 4, tzinfo=UTC))
    for _ in range(3):
        scenes.run_through(scenes.make_flow(pilot))
    scenes.run_through(scenes.make_flow(later), gates_fail=True)
    shell = Shell(scene.run, settings)
    shell.received = scene.receivers.received  # type: ignore[attr-defined]
    return shell


def test_the_go_live_day(shell, chain):  # noqa: F811
    for step in PROCEDURES["Go-Live Day Procedures"]:
        shell.type(step)
    printed = dict(shell.printed)
    # "All providers <50 % (fresh daily quota)"
    shares = re.findall(r"^\w+ +([\d.]+)%", printed["blocks quota show --all"], re.M)
    assert len(shares) == 3
    assert all(float(share) < 50 for share in shares)
    assert "was accepted by slack-ops-alerts" in printed["blocks alerts test budget_burn_rate"]


def test_the_daily_standup(shell):
    *_, crosses = [shell.type(step) for step in PROCEDURES["Monitoring Protocol"]]
    # One of four has failed, so the success rate is below its target, and the grep finds it.
    assert "Success rate: 75 %" in crosses


def test_the_rollback_to_pilot_scope(shell):
    steps = PROCEDURES["Rollback to Pilot Scope"]
    assert "enabled: true" in shell.type("blocks config show --repo financial-reporting")
    for step in steps:
        shell.type(step)
    printed = dict(shell.printed)
    (affected,) = [said for step, said in printed.items() if step.startswith("psql")]
    assert "financial-reporting" in affected
    assert "compliance-service" not in affected
    assert "enabled: true\n" in printed["blocks config show --repo compliance-service"]
    assert "enabled: false\n" in printed["blocks config show --repo financial-reporting"]
    told = [message["text"] for message in shell.received.slack_messages if message["text"] == TEXT]
    assert len(told) == sum(step.startswith("blocks notify slack") for step in steps)


def test_the_rollback_to_manual_review(shell):
    for step in PROCEDURES["Rollback to Manual Review"]:
        shell.type(step)
    assert [message["text"] for message in shell.received.slack_messages] == [TEXT]


def test_the_playbook_of_a_p1(shell):
    first, *rest = PROCEDURES["Incident Response Playbook"]
    (line,) = shell.type(first).splitlines()
    # The pattern: which repo, and at which gate.
    assert "gate:mutation-failed" in line
    for step in rest:
        shell.type(step)


def test_no_procedure_is_left_out():
    assert {len(steps) > 0 for steps in PROCEDURES.values()} == {True}
    kubectl = {step for steps in PROCEDURES.values() for step in steps if step.startswith("kubectl")}
    assert kubectl <= AT_THE_CLUSTER
