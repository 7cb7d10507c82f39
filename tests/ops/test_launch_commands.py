"""Every ``blocks`` command of the launch runbook, as it is typed there, does what the text expects of it."""

import shlex
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
from django.db import connection

from orchestrator.dev.receivers import Receivers
from orchestrator.flows.models import Flow
from orchestrator.ops.notifications import delivery
from orchestrator.repos import tokens
from providers import limiter
from tests import scenes
from tests.blocks.conftest import blocks, offline, repo, work  # noqa: F401 - fixtures
from tests.ops.alerting.test_chain import chain  # noqa: F401 - a fixture
from tests.ops.launch_runbook import read_facts

COMMANDS = read_facts()["commands"]
# Commands whose room does not exist yet, by what they wait for. The list only gets shorter.
EXCEPTIONS: Final[dict[str, str]] = {}
MOST_EXCEPTIONS: Final = 0
TEXT = '🚨 Don\'t worry [really]: 10 % of "all" flows <failed>. ETA: [2 hours]'


@dataclass(frozen=True, slots=True)
class Scene:
    """Where a command is typed: the service with its repos, a folder, and what reaches people."""

    run: Callable[..., Any]
    work: Path
    settings: Any
    receivers: Receivers

    def type(self, command: str) -> str:
        """What an operator's ``command`` prints; it has to succeed."""
        words = [TEXT if word == "TEXT" else word for word in shlex.split(command)]
        done = self.run(*words[1:], BLOCKS_TOKEN=tokens.create_token("sre")[1])
        assert done.returncode == 0, (command, done.stdout, done.stderr)
        found: str = done.stdout
        return found


@pytest.fixture
def scene(blocks, work, repo, settings, monkeypatch):  # noqa: F811
    # Each task is run at once, as the control worker of ``make up`` does.
    monkeypatch.setattr(delivery.app, "send_task", lambda _, args, **__: delivery.deliver(*args))
    settings.REPO_ALLOWLIST = (repo.name,)
    scenes.make_repo("financial-reporting")
    with Receivers() as receivers:
        settings.SLACK_API_URL = f"{receivers.url}/slack/api"
        settings.SLACK_BOT_TOKEN = "xoxb-" + "1" * 12
        settings.EMAIL_HOST = "localhost"
        yield Scene(blocks, work, settings, receivers)


def prepare_folder(scene: Scene, command: str) -> None:
    """It creates the configuration, the catalog and the schemas."""
    scene.type(command)
    assert (scene.work / ".blocks/config.yml").is_file()
    assert (scene.work / ".blocks/catalog").is_dir()
    assert (scene.work / ".blocks/schemas").is_dir()


def run_flow(scene: Scene, command: str) -> None:
    """A flow runs to a verified block."""
    (scene.work / shlex.split(command)[-1]).write_text("# Capital ratio\nBasel I.\n")

    def play() -> None:
        """The part of the workers, once the flow is there."""
        while not Flow.objects.exists():
            connection.close()
            time.sleep(0.05)
        scenes.run_through(Flow.objects.get())
        connection.close()

    workers = threading.Thread(target=play)
    workers.start()
    said = scene.type(command)
    workers.join()
    flow = Flow.objects.get()
    assert said.splitlines()[-1] == f"FLOW PASSED {flow.id}"
    # A trial says whether the service works, and leaves nothing behind.
    assert (scene.work / ".blocks/catalog").exists() == ("test-flow" not in command)


def show_quota(scene: Scene, command: str) -> None:
    """All providers are below 50 % on a fresh day; one that is not can be told."""
    shares = {line.split()[0]: line.split()[1] for line in scene.type(command).splitlines()[1:4]}
    assert shares == dict.fromkeys(("anthropic", "openai", "google"), "0.0%")
    everything = limiter.Limits(10**12, 10**12, 10**9, 10**6, 10**18)
    reservation = limiter.ReservationRequest("openai", "m", 900_000, 10**6, timeout_seconds=60)
    admitted = limiter.acquire(reservation, everything)
    assert isinstance(admitted, limiter.Admitted)
    limiter.keep_charged(admitted.call_id, "openai", code="x", message="", health=limiter.Health.SILENT)
    used = {line.split()[0]: float(line.split()[1][:-1]) for line in scene.type(command).splitlines()[1:4]}
    assert used["openai"] > 50


def show_config(scene: Scene, command: str) -> None:
    """Which repos are enabled after a rollback to the pilot."""
    expected = "false" if "financial-reporting" in command else "true"
    assert f"enabled: {expected}\n" in scene.type(command)


def change_config(scene: Scene, command: str) -> None:
    """The setting is in force."""
    scene.type(command)
    *_, key, value = shlex.split(command)
    assert scene.type(f"blocks config get {key}") == f"{value}\n"


def post_message(scene: Scene, command: str) -> None:
    """The channel has the message, letter by letter."""
    words = shlex.split(command)
    assert scene.type(command) == f"sent to #{words[words.index('--channel') + 1]}\n"
    (message,) = scene.receivers.received.slack_messages
    assert message["text"] == TEXT


def send_mail(scene: Scene, command: str) -> None:
    """The mail is on its way to the address that was typed."""
    words = shlex.split(command)
    address = words[words.index("--to") + 1]
    assert scene.type(command) == f"sent to {address}\n"


def show_gates(scene: Scene, command: str) -> None:
    """The findings of the gate that failed, with place and cure."""
    failed = scenes.run_through(scenes.make_flow(), gates_fail=True)
    words = shlex.split(command.replace("task_abc123", failed.id))
    done = scene.run(*words[1:])
    # 1: a gate failed.
    assert done.returncode == 1
    assert "capital_ratio.py:12" in done.stdout
    assert "cure: " in done.stdout


def list_failures(scene: Scene, command: str) -> None:
    """The flows that failed in the last hour, their reasons, and no other."""
    failed = scenes.run_through(scenes.make_flow(), gates_fail=True)
    scenes.run_through(scenes.make_flow())
    (line,) = scene.type(command).splitlines()
    assert line.startswith(failed.id)
    assert "gate:mutation-failed" in line


def export_report(scene: Scene, command: str) -> None:
    """The figures of the last day, into a file; a target that was missed has a red cross."""
    scenes.run_through(scenes.make_flow(), gates_fail=True)
    typed, _, _ = command.partition(" > ")
    report = scene.type(typed)
    assert report.startswith("# Daily report: ")
    missed = [line for line in report.splitlines() if "\N{CROSS MARK}" in line]
    assert any(line.startswith("- Success rate: 0 %") for line in missed), report


# The beginning of a command, and what shows that it does what the text expects.
EXPECTATIONS: Final = {
    "blocks init": prepare_folder,
    "blocks flow run": run_flow,
    "blocks test-flow": run_flow,
    "blocks quota show": show_quota,
    "blocks config show": show_config,
    "blocks config set": change_config,
    "blocks notify slack": post_message,
    "blocks notify email": send_mail,
    "blocks verify show": show_gates,
    "blocks status flows": list_failures,
    "blocks metrics export": export_report,
}
ALERTS = [command for command in COMMANDS if command.startswith("blocks alerts test")]
TYPED = [command for command in COMMANDS if command not in {*EXCEPTIONS, *ALERTS}]


@pytest.mark.parametrize("command", TYPED)
def test_a_command_of_the_runbook_does_what_the_text_expects(command, scene):
    (expect,) = [check for start, check in EXPECTATIONS.items() if command.startswith(start)]
    expect(scene, command)


@pytest.mark.parametrize("command", ALERTS)
def test_a_test_of_an_alert_arrives_within_30_seconds(command, blocks, chain):  # noqa: F811
    began = time.monotonic()
    done = blocks(*shlex.split(command)[1:], BLOCKS_TOKEN=tokens.create_token("sre")[1])
    assert done.returncode == 0, done.stderr
    assert time.monotonic() - began < 30
    # Of this receiver Alertmanager's configuration says that it is #ops-alerts.
    assert "was accepted by slack-ops-alerts" in done.stdout
    assert f"[TEST] P3: {shlex.split(command)[-1]}" in chain.slack_titles()


def test_the_list_of_exceptions_only_gets_shorter(offline):  # noqa: F811
    assert len(EXCEPTIONS) <= MOST_EXCEPTIONS
    assert EXCEPTIONS.keys() <= set(COMMANDS)
    for command in EXCEPTIONS:
        words = shlex.split(command.partition(" > ")[0])
        done = offline(*words[1:])
        # It leaves the list on the day on which its command is there.
        assert (done.returncode, "No such command" in done.stderr) == (2, True), command
