"""`blocks doctor`, `version` and `completion`: what is here, and what fits together."""

import json
import re
import shlex
import subprocess
import sys

import pytest

from blocks import __version__
from orchestrator.web import headers
from tests import scenes


def read_checks(found) -> dict[str, str]:
    """Name to state of each check."""
    return {check["name"]: check["state"] for check in json.loads(found.stdout)["checks"]}


def test_a_repo_that_is_ready_is_said_to_be(blocks, work, repo):
    assert blocks("init").returncode == 0
    flow = scenes.run_through(scenes.make_flow())
    assert blocks("flow", "fetch", flow.id).returncode == 0
    found = blocks("doctor")
    assert found.returncode == 0, found.stdout
    lines = found.stdout.splitlines()
    assert [line.split()[:2] for line in lines] == [
        ["ok", name] for name in ("blocks", "folder", "keys", "service", "token", "repo")
    ]
    assert f"{repo.name} may run flows, phase {repo.phase}" in lines[-1]
    assert f"is ready, {__version__}" in found.stdout
    assert json.loads(blocks("doctor", "--json").stdout)["ok"] is True


def test_each_fault_has_its_cure_and_the_code_that_a_flow_would_end_with(blocks, offline, work, repo):
    found = blocks("doctor")
    assert found.returncode == 0
    assert "cure: Run `blocks init`." in found.stdout
    assert blocks("doctor", BLOCKS_TOKEN="blk_wrong").returncode == 4
    away = offline("doctor", "--json", BLOCKS_API_URL="http://127.0.0.1:1", BLOCKS_TOKEN="blk_x")
    assert away.returncode == 5
    assert read_checks(away)["service"] == "wrong"
    assert offline("doctor", BLOCKS_API_URL="http://127.0.0.1:1").returncode == 4
    repo.enabled = False
    repo.save()
    found = blocks("doctor", "--json")
    assert found.returncode == 4
    assert read_checks(found)["repo"] == "wrong"
    (work / ".blocks").mkdir()
    (work / ".blocks/config.yml").write_text("token: blk_leaked\n")
    leaked = blocks("doctor")
    assert leaked.returncode == 2
    assert "wrong  folder" in leaked.stdout
    assert "blk_leaked" not in leaked.stdout


def test_versions_that_do_not_go_together_are_said_once(blocks, service, monkeypatch):
    scenes.make_flow()
    assert blocks("flow", "list").stderr == ""
    monkeypatch.setattr(headers, "blocks_version", "7.2.1")
    found = blocks("repo", "show")
    assert found.returncode == 0
    assert found.stderr == (
        f"note: this is blocks {__version__}, and the service goes with 7.2.1. "
        f"How to install that one: {service.url}/cli/\n"
    )
    assert blocks("repo", "show", "--quiet").stderr == ""
    monkeypatch.setattr(headers, "blocks_version", f"{__version__.rpartition('.')[0]}.99")
    assert blocks("flow", "list").stderr == ""


def test_the_version_is_told_with_and_without_a_service(blocks, offline):
    assert blocks("version").stdout.startswith(f"blocks {__version__}, Python 3.")
    told = json.loads(blocks("version", "--json").stdout)
    assert (told["blocks"], told["service"]) == (__version__, __version__)
    alone = offline("version", BLOCKS_API_URL="http://127.0.0.1:1")
    assert alone.returncode == 0
    assert "service: The service at http://127.0.0.1:1 cannot be reached" in alone.stdout
    assert offline("version", "--quiet").stdout.startswith(f"blocks {__version__}")


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("blocks re", {"repo", "request"}),
        ("blocks flow re", {"retry", "replay"}),
        ("blocks completion z", {"zsh"}),
        ("blocks flow run --no-f", {"--no-follow"}),
    ],
)
def test_bash_completes_commands_and_options(offline, typed, offered):
    script = offline("completion", "bash").stdout
    words = typed.split()
    # bash itself reads the script, and calls what it defines, as it does when a person presses the tab key.
    asked = "\n".join(
        (
            script,
            f"COMP_WORDS=({typed}) COMP_CWORD={len(words) - 1}",
            f'blocks() {{ {shlex.quote(sys.executable)} -m blocks.cli.main "$@"; }}',
            "_blocks_completion blocks",
            'printf "%s\\n" "${COMPREPLY[@]}"',
        )
    )
    done = subprocess.run(["bash", "-c", asked], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert set(done.stdout.split()) == offered


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_shell_asks_the_command_itself(offline, shell):
    script = offline("completion", shell).stdout
    assert f"_BLOCKS_COMPLETE=complete_{shell}" in script
    assert re.search(r"^# For " + shell, script, re.M)
    assert offline("completion", "tcsh").returncode == 2
