"""Every command of ``docs/runbooks``, typed in the order of its page, with a failed flow at hand."""

import re
import shlex
from pathlib import Path

import pytest
from django.core.management import call_command

from orchestrator.flows.models import Flow
from orchestrator.repos import tokens
from tests import scenes

PAGES = sorted((Path(__file__).resolve().parents[3] / "docs/runbooks").glob("*.md"))
# What a page writes in capitals, and what is typed for it.
PROVIDER, MODEL = "google", "claude-sonnet-4-5"
# That the flow failed is what these commands have to report: not a fault.
EXPECTED_CODES = {("verify", "show"): {1}, ("flow", "show"): {1}}


def read_commands(page: Path) -> list[str]:
    """The commands of the code blocks and of the tables, top to bottom."""
    text = page.read_text(encoding="utf-8")
    found = re.findall(r"^ *((?:blocks|python manage\.py) .+)$|`((?:blocks) [a-z][^`]*)`", text, re.M)
    return [block or inline for block, inline in found]


@pytest.mark.parametrize("runbook", PAGES, ids=lambda path: path.stem)
def test_every_command_of_a_page_works(runbook, blocks, repo):
    commands = read_commands(runbook)
    # Made before the first command, because one of them may pause a provider.
    failed = [scenes.run_through(scenes.make_flow(), gates_fail=True) for _ in commands]
    operator = {"BLOCKS_TOKEN": tokens.create_token("sre")[1]}
    for command, ended in zip(commands, failed, strict=True):
        task = scenes.make_flow().id if "flow cancel" in command else ended.id
        words = shlex.split(
            command.replace("TASK", task)
            .replace("REPO", repo.name)
            .replace("PROVIDER", PROVIDER)
            .replace("NAME", MODEL)
        )
        if words[0] == "python":
            call_command(words[2], *words[3:])
            continue
        done = blocks(*words[1:], **operator)
        expected = EXPECTED_CODES.get((words[1], words[2]), {0})
        assert done.returncode in expected, (command, done.stdout, done.stderr)
    if runbook.stem == "budget_breach":
        assert Flow.objects.filter(status="cancelled").exists()


def test_the_pages_have_commands_to_type():
    without = [page.stem for page in PAGES if page.stem != "index" and not read_commands(page)]
    assert without == []
