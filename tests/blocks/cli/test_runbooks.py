"""Every command of ``docs/runbooks``, typed in the order of its page, with a failed flow at hand."""

import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from onboarding.models import OnboardingRequest
from onboarding.step_protocol import Refused
from orchestrator.flows.models import Flow
from orchestrator.ops.incidents import handling, opening
from orchestrator.ops.incidents.models import Incident
from orchestrator.ops.rollback import enforcement
from orchestrator.ops.rollback.models import Announcement, Rollback
from orchestrator.repos import tokens
from orchestrator.repos.models import Repo, Token
from tests import scenes
from tests.onboarding.steps import ask_for, pass_due_steps

PAGES = sorted((Path(__file__).resolve().parents[3] / "docs/runbooks").glob("*.md"))
# What a page writes in capitals, and what is typed for it.
PROVIDER, MODEL = "google", "claude-sonnet-4-5"
# That the flow failed is what these commands have to report: not a fault.
EXPECTED_CODES = {
    ("verify", "show"): {1},
    ("flow", "show"): {1},
    # Lines of the checklist fail here, or people have to be asked.
    ("preflight", "--phase"): {1, 8},
}
# A sentence names it, and another place types it.
NAMED = {"blocks rollback apply"}
# What is so once the commands of a page were typed.
OUTCOMES: dict[str, Callable[[], bool]] = {
    "budget_breach": lambda: Flow.objects.filter(status="cancelled").exists(),
    "rollback_to_pilot": lambda: (
        Rollback.objects.filter(status="ended").exists()
        and Repo.objects.get(name="financial-reporting").enabled
    ),
    "security_incident": lambda: Token.objects.filter(name="stolen", revoked_at__isnull=False).exists(),
    "contacts": lambda: Incident.objects.filter(commander="SRE on call").exists(),
}


def read_commands(page: Path) -> list[str]:
    """The commands of the code blocks and of the tables, top to bottom."""
    text = page.read_text(encoding="utf-8")
    found = re.findall(r"^ *((?:blocks|python manage\.py) .+)$|`((?:blocks) [a-z][^`]*)`", text, re.M)
    return [block or inline for block, inline in found]


def name_ids(words: list[str]) -> list[str]:
    """``words`` with the numbers of what is there: for ID, N and R, and for 1 and 2 where they are drafts."""
    room, verb = words[1:3]
    found: dict[str, object] = {"R": "financial-reporting"}
    if room == "incident":
        found["ID"] = Incident.objects.exclude(status="resolved").latest("pk").pk
    if room == "token":
        found["ID"] = tokens.create_token("stolen")[0].pk
    if room == "onboarding":
        found["REFERENCE"] = find_request().reference
    if (room, verb) == ("onboarding", "vote"):
        resolve_p1s()
    if (room, verb) == ("rollback", "announce"):
        first, second = Announcement.objects.filter(rollback=Rollback.objects.latest("pk")).order_by("pk")[:2]
        found |= {"1": first.pk, "2": second.pk}
    if (room, verb) == ("rollback", "decline"):
        asked = enforcement.ask_for_rollback(trigger="failure-rate", reason="many fail", actor="trigger")
        found["N"] = asked.pk
    return [str(found.get(word, word)) for word in words]


def find_request() -> OnboardingRequest:
    """A request whose first step has failed."""
    request = OnboardingRequest.objects.first() or ask_for("ledger")
    if request.status == "checking":
        pass_due_steps(Refused("CI is not configured.", "Add a workflow."))
    return request


def resolve_p1s() -> None:
    """GO is said after a P1 is over."""
    for one in Incident.objects.filter(severity="P1").exclude(status="resolved"):
        handling.resolve(one.pk, actor="kim")


def run_task(name: str, args: Any = (), **_: Any) -> None:
    """The control worker ends a rollback; what is said to people only waits to be sent."""
    if name == enforcement.TASK:
        enforcement.finish_rollback(*args)


@pytest.fixture
def trouble(settings, monkeypatch):
    """A deployment with a pilot, a repo that came after it, an incident, and ways to tell people."""
    monkeypatch.setattr("orchestrator.celery.app.send_task", run_task)
    settings.PILOT_REPOS = ("compliance-service",)
    settings.SLACK_BOT_TOKEN = "xoxb-" + "1" * 12
    settings.EMAIL_HOST = "localhost"
    scenes.make_repo("financial-reporting", team_lead="lead@example.org")
    opening.open_incident("More than 10 % of the flows fail", "P1", commander="kim", actor="bob")


@pytest.mark.parametrize("runbook", PAGES, ids=lambda path: path.stem)
def test_every_command_of_a_page_works(runbook, blocks, repo, trouble):
    commands = [command for command in read_commands(runbook) if command not in NAMED]
    # Made before the first command, because one of them may pause a provider.
    failed = [scenes.run_through(scenes.make_flow(), gates_fail=True) for _ in commands]
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
        # Each who votes has a token of their own.
        person = words[words.index("--role") + 1] if "--role" in words else "sre"
        done = blocks(*name_ids(words)[1:], BLOCKS_TOKEN=tokens.create_token(person)[1])
        expected = EXPECTED_CODES.get((words[1], words[2]), {0})
        assert done.returncode in expected, (command, done.stdout, done.stderr)
    for stem, is_done in OUTCOMES.items():
        if runbook.stem == stem:
            assert is_done(), stem


def test_the_pages_have_commands_to_type():
    without = [page.stem for page in PAGES if page.stem != "index" and not read_commands(page)]
    assert without == []
