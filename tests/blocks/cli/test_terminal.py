"""What is shown on a terminal of a given width, and in a pipe: whole ids, no markup, no control codes of
others.
"""

import os
import pty
import re
import subprocess
import sys
import termios
from collections.abc import Callable

import pytest

from blocks.cli.lazy_commands import COMMANDS
from orchestrator.flows.models import Flow
from orchestrator.repos import tokens
from tests import scenes
from tests.blocks.conftest import ROOT
from tests.web import story

Terminal = Callable[..., str]
HOSTILE = "# \x1b]0;owned\x07[/red] :boom: \x1b[2J list[int]"


@pytest.fixture
def terminal(service, repo, work) -> Terminal:
    """`blocks` on a pseudo terminal of so many columns; what came out, and its exit code as ``RC=``."""
    secret = tokens.create_token("terminal", repo)[1]

    def run(columns: int, *words: str, **more: str) -> str:
        ours, theirs = pty.openpty()
        termios.tcsetwinsize(theirs, (50, columns))
        clean = {
            k: v for k, v in os.environ.items() if not k.startswith(("BLOCKS_", "COV", "COLUMNS", "NO_COLOR"))
        }
        clean |= {"PYTHONPATH": str(ROOT), "PYTHONUTF8": "1", "TERM": "xterm-256color"} | more
        clean |= {"BLOCKS_API_URL": service.url, "BLOCKS_TOKEN": secret} | more
        command = [sys.executable, "-m", "blocks.cli.main", *words]
        with subprocess.Popen(
            command, cwd=work, env=clean, stdin=theirs, stdout=theirs, stderr=theirs
        ) as process:
            os.close(theirs)
            said = b""
            while part := _read(ours):
                said += part
        os.close(ours)
        return f"{said.decode()}RC={process.returncode}"

    return run


def _read(ours: int) -> bytes:
    try:
        return os.read(ours, 65536)
    except OSError:  # how Linux says that the other side is closed
        return b""


def plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text).replace("\r", "")


def seen(terminal: Terminal, columns: int, *words: str) -> list[str]:
    return plain(terminal(columns, *words)).splitlines()


@pytest.mark.parametrize("columns", [60, 80, 120, 200])
def test_the_list_of_flows_keeps_ids_figures_and_words_at_any_width(terminal, columns):
    failed, waits = story.tell_failed_flow(), story.tell_waiting_flow()
    lines = seen(terminal, columns, "status", "flows")
    assert max(map(len, lines)) <= columns
    first = next(line for line in lines if line.startswith(failed.id))
    assert "failed" in first
    assert "…" not in "".join(lines)
    assert any(line.startswith(f"{waits.id} ") and "waiting" in line for line in lines)
    column = lines[0].index("request")
    words = "".join(line[column:].strip() for line in lines[lines.index(first) :])
    assert "gate:contract-failed" in words
    # A column that has no room joins the words.
    assert "$0.0400" in first + words
    assert failed.repo.name in first + words


@pytest.mark.parametrize("words", [("status", "flows"), ("flow", "list")])
def test_a_list_in_a_pipe_has_nothing_around_its_values(blocks, words):
    made = [story.tell_waiting_flow(), scenes.make_flow()]
    title = "A very long request " * 5
    Flow.objects.filter(pk=made[0].pk).update(feature_request=f"# {title}")
    lines = [line.split("\t") for line in blocks(*words).stdout.splitlines()]
    assert [cells[0] for cells in lines] == [flow.id for flow in reversed(made)]
    assert [cells[1] for cells in lines] == ["pending", "waiting"]
    assert title.strip() in lines[1][-1]
    assert lines[1][-1].endswith("come back at 05:00 UTC.")


@pytest.mark.parametrize("words", [("verify", "show"), ("flow", "show")])
def test_text_of_others_neither_breaks_nor_controls_the_terminal(terminal, blocks, words):
    flow = scenes.make_flow(request=HOSTILE)
    error = ("stage:failed", "not a list[/int] \x1b[31m", "Use list[int].")
    scenes.fail_stage(scenes.start_kind(flow, "context"), error)
    for said in (terminal(120, *words, flow.id), f"{blocks(*words, flow.id).stdout}RC=1"):
        assert said.endswith("RC=1")
        assert "[/red] :boom:" in said
        assert "not a list[/int]" in said
        assert "Use list[int]." in said
        assert "\x1b]" not in said
        assert "\x1b[2J" not in said
        assert "\x1b[31m" not in plain(said)


@pytest.mark.parametrize("columns", [60, 80, 120, 200])
def test_a_flow_is_shown_as_it_is(terminal, columns):
    flow = story.tell_flow()
    text = plain(terminal(columns, "flow", "show", flow.id))
    assert text.endswith("RC=0")
    assert f"FLOW PASSED {flow.id}" in text
    assert "implement (round 2)" in text
    assert "Cost $0.0800" in text
    assert max(map(len, text.splitlines()[2:])) <= columns


def test_gates_leave_the_room_of_a_narrow_terminal_to_their_sentences(terminal):
    flow = scenes.run_through(scenes.make_flow(), gates_fail=True)
    wide, narrow = (seen(terminal, columns, "flow", "show", flow.id) for columns in (100, 60))
    (head,) = (line for line in wide if line.startswith("gate "))
    assert head.split() == ["gate", "verdict", "score", "needed", "round", "finding"]
    (head,) = (line for line in narrow if line.startswith("gate "))
    assert head.split() == ["gate", "verdict", "finding"]
    # As many columns as a sentence needs to be read.
    assert 60 - head.index("finding") > 24


def test_the_help_is_whole_at_any_width(terminal):
    for columns in (60, 80):
        lines = seen(terminal, columns, "--help")
        assert max(map(len, lines)) <= columns
        said = " ".join(" ".join(lines).split())
        for name, (_, text) in COMMANDS.items():
            assert f"{name} {text}" in said, name


def test_a_flow_that_waits_says_why(terminal, blocks):
    flow = story.tell_waiting_flow()
    for words in (("verify", "show", flow.id), ("flow", "show", flow.id)):
        text = plain(terminal(80, *words))
        assert "waits: anthropic has used 2,000,000 of 2,000,000 tokens" in text
        assert text.endswith("RC=8")
        assert blocks(*words).returncode == 8


def test_colour_is_for_terminals_that_want_it(terminal, blocks):
    flow = story.tell_failed_flow()
    assert "\x1b[1;31m" in terminal(80, "verify", "show", flow.id)
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]m", terminal(80, "verify", "show", flow.id, NO_COLOR="1"))
    assert "\x1b" not in blocks("verify", "show", flow.id).stdout
