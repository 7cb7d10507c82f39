"""What an SRE types in an incident: every command of `blocks incident`, over REST."""

import csv
import json

import pytest

from orchestrator.ops.incidents.models import Incident
from orchestrator.repos import tokens
from tests import scenes
from tests.blocks.conftest import blocks, offline, repo, work  # noqa: F401 - fixtures


@pytest.fixture
def sre(blocks, transactional_db):  # noqa: F811
    """`blocks` with an operator's token; a failure shows what was printed."""
    environment = {"BLOCKS_TOKEN": tokens.create_token("sre")[1]}

    def run(*words: str, code: int = 0) -> str:
        done = blocks(*words, **environment)
        assert done.returncode == code, (words, done.stdout, done.stderr)
        return str(done.stdout if code == 0 else done.stderr)

    return run


@pytest.mark.slow
def test_an_incident_from_the_opening_to_the_review(sre):
    assert sre("incident", "list") == "No incident is open.\n"
    scenes.make_repo("auth-service", team_lead="lead@example.org")
    made = json.loads(
        sre(
            *("incident", "open", "--title", "Flows fail", "--severity", "P2", "--commander", "carol"),
            *("--repo", "auth-service", "--json"),
        )
    )
    number = str(made["id"])
    assert f"{number}  P2  open  carol  Flows fail" in sre("incident", "list")
    assert "acknowledged" in sre("incident", "acknowledge", number)
    sre("incident", "handover", number, "--to", "dave", "--note", "the quota is the cause")
    assert "  P1  open  dave" in sre("incident", "severity", number, "--severity", "P1")
    sre("incident", "note", number, "--kind", "triage", "--text", "one repo fails")
    shown = sre("incident", "show", number)
    assert "repos: auth-service (lead@example.org)" in shown
    assert "resolved: not yet" in shown
    assert "Not enough data" in sre("incident", "diagnose", number)
    assert "  resolved  dave" in sre("incident", "resolve", number, "--text", "Flows pass again.")
    assert sre("incident", "list") == "No incident is open.\n"
    assert number in sre("incident", "list", "--all")

    rows = list(csv.DictReader(sre("incident", "timeline", number, "--format", "csv").splitlines()))
    assert [row["kind"] for row in rows][-1] == "resolved"
    assert [row["at"] for row in rows] == sorted(row["at"] for row in rows)
    assert sre("incident", "timeline", number, "--format", "markdown").startswith("- ")

    assert "no root cause" not in sre("incident", "review", number)
    assert "cannot be finished" in sre("incident", "review", number, "--finish", code=2)
    sre("incident", "review", number, "--root-cause", "A retry without an end.")
    done = ("incident", "action", number, "--text", "Bound it", "--owner", "dave", "--due", "2026-12-04")
    action = sre(*done).split()[0]
    assert "done by token:sre" in sre("incident", "done", number, action)
    text = sre("incident", "review", number, "--finish")
    assert "1. Bound it — Owner: dave — Due: 2026-12-04 (done)" in text
    assert Incident.objects.get().review.finished_by == "token:sre"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("show", "999"), "There is no incident 999."),
        (("open", "--title", "x", "--severity", "P9"), "severity"),
        (("note", "1", "--text", "x", "--kind", "resolved"), "There is no kind"),
        (("timeline", "1", "--format", "pdf"), "There is no format"),
        (("action", "1", "--text", "x", "--owner", "y", "--due", "soon"), "is not a day"),
    ],
)
def test_wrong_usage_says_what_is_wrong(sre, words, said):
    assert said in sre("incident", *words, code=2)
