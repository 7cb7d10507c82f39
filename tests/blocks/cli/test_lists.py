"""Lists: for people, for pipes, and as the fields that a script names."""

import json

import pytest

from blocks.cli import repo as repo_commands
from blocks.cli.flow_list import COLUMNS
from blocks.cli.list_table import choose_columns
from orchestrator.repos import tokens
from tests import scenes

FLOW = {
    "id": "task_0123456789abcdefghij",
    "status": "failed",
    "duration_seconds": 64.0,
    "cost_usd": "0.0426",
    "block_family": "compliance",
    "repo": "compliance-service",
    "title": "Capital ratio",
    "error": {"code": "gate:contract-failed"},
    "wait_reason": "",
}


@pytest.mark.parametrize(
    ("columns", "shown"),
    [
        (60, "flow status request"),
        (80, "flow status time cost request"),
        (100, "flow status time cost repo request"),
        (200, "flow status time cost family repo request"),
    ],
)
def test_a_narrow_terminal_shows_the_columns_that_matter_most(columns, shown):
    chosen = choose_columns([FLOW], COLUMNS, columns)
    assert [column.name for column in chosen] == shown.split()


def test_a_script_names_the_fields_that_it_wants(blocks):
    flow = scenes.run_through(scenes.make_flow(), gates_fail=True)
    found = blocks("flow", "list", "--json", "status,id", "--failed")
    assert json.loads(found.stdout) == {"flows": [{"status": "failed", "id": flow.id}]}
    assert json.loads(blocks("flow", "list", "--json=id").stdout) == {"flows": [{"id": flow.id}]}
    # Without fields, in the middle and at the end: everything.
    for words in (("--json", "--failed"), ("--failed", "--json")):
        (row,) = json.loads(blocks("status", "flows", *words).stdout)["flows"]
        assert row["error"]["code"] == "gate:mutation-failed"


@pytest.mark.parametrize(("fields", "said"), [("id,cost", "'cost'"), (",", "No field is named")])
def test_a_field_that_does_not_exist_is_named_beside_those_that_do(blocks, fields, said):
    scenes.make_flow()
    found = blocks("flow", "list", "--json", fields)
    assert found.returncode == 2
    assert said in found.stderr
    assert "cost_usd" in found.stderr
    assert json.loads(found.stdout)["error"]["code"] == "cli:unknown-field"


def test_an_empty_list_says_so_to_people_and_nothing_to_a_pipe(blocks):
    assert blocks("flow", "list").stdout == ""
    assert blocks("flow", "list", FORCE_COLOR="1").stdout == "No flows.\n"
    assert blocks("flow", "list", "--failed", "--since", "1h", FORCE_COLOR="1").stdout == (
        "No flows of the last 1h failed.\n"
    )
    assert json.loads(blocks("flow", "list", "--json", "id").stdout) == {"flows": []}


def test_quiet_lists_ids_and_nothing_else(blocks, repo):
    made = [scenes.make_flow().id for _ in range(2)]
    assert blocks("flow", "list", "--quiet").stdout.split() == made[::-1]
    assert blocks("repo", "list", "-q").stdout == f"{repo.name}\n"


def test_repos_are_listed_and_shown(blocks, repo, settings):
    scenes.make_repo("financial-reporting", domain="finance", paused=True)
    operator = {"BLOCKS_TOKEN": tokens.create_token("sre")[1]}
    settings.REPO_ALLOWLIST = ("financial-reporting",)
    lines = [line.split("\t") for line in blocks("repo", "list", **operator).stdout.splitlines()]
    states = {cells[0]: cells[1] for cells in lines}
    assert states == {"financial-reporting": "paused", repo.name: "off"}
    assert [column.name for column in repo_commands.COLUMNS][:2] == ["repo", "state"]
    shown = blocks("repo", "show", "financial-reporting", **operator).stdout
    assert "domain     finance\n" in shown
    # Its own is what a token of a repo means.
    assert json.loads(blocks("repo", "show", "--json").stdout)["name"] == repo.name
    assert blocks("repo", "show", "financial-reporting").returncode == 4
    assert blocks("repo", "show", **operator).returncode == 2
