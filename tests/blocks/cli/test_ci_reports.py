"""In a job of CI: a summary, annotations and reports, no moving picture, and no command by a stranger."""

import json
import os
import re

import junitparser
import pytest
from jsonschema import Draft4Validator

from tests import scenes
from tests.blocks.cli.test_candidates import SARIF
from tests.blocks.cli.test_terminal import terminal  # noqa: F401 - a fixture
from tests.web import story


@pytest.fixture
def github(tmp_path):
    """The environment of a step."""
    return {"GITHUB_ACTIONS": "true", "CI": "true", "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md")}


def read_summary(github) -> str:
    with open(github["GITHUB_STEP_SUMMARY"], encoding="utf-8") as file:
        return file.read()


def test_a_failed_flow_has_a_summary_and_annotations(blocks, service, github):
    flow = story.tell_failed_flow()
    found = blocks("flow", "follow", flow.id, "--json", **github)
    assert found.returncode == 1
    # Standard output stays the one document.
    assert json.loads(found.stdout)["id"] == flow.id
    summary = read_summary(github)
    assert summary.startswith("### ❌ Clip a value to a limit\n")
    assert f"[{flow.id}]({service.url}/flows/{flow.id}/) failed for compliance\\-service" in summary
    assert "| mutation | ❌ failed | 50 % | 60 % | mutation failed |" in summary
    assert "How to fix it: Fix schema or implementation, then retry\\." not in summary  # a dot stays as it is
    assert "How to fix it: Fix schema or implementation, then retry." in summary
    assert f"blocks verify show {flow.id} --verbose" in summary
    lines = [line for line in found.stderr.splitlines() if line.startswith("::")]
    assert len(lines) == 3
    assert lines[0].startswith("::error title=contract gate failed::contract failed%0A")
    assert lines[0].endswith("%0AFix schema or implementation, then retry.")


def test_a_passed_flow_has_a_summary_and_no_annotation(blocks, github):
    flow = scenes.run_through(scenes.make_flow())
    found = blocks("flow", "watch", flow.id, **github)
    assert found.returncode == 0
    assert "::error" not in found.stdout + found.stderr
    assert read_summary(github).startswith("### ✅ Capital ratio\n")


def test_a_step_that_runs_several_flows_has_a_summary_of_each(blocks, github):
    for _ in range(2):
        blocks("flow", "watch", scenes.run_through(scenes.make_flow()).id, **github)
    assert read_summary(github).count("### ✅") == 2


def test_outside_of_ci_nothing_is_reported(blocks, tmp_path):
    found = blocks("flow", "watch", story.tell_failed_flow().id, GITHUB_ACTIONS="", GITHUB_STEP_SUMMARY="")
    assert "::error" not in found.stdout + found.stderr


def test_a_summary_that_cannot_be_written_fails_nothing(blocks, github, tmp_path):
    flow = scenes.run_through(scenes.make_flow())
    found = blocks("flow", "watch", flow.id, **github | {"GITHUB_STEP_SUMMARY": str(tmp_path)})
    assert found.returncode == 0
    assert "note: the job summary cannot be written" in found.stderr


@pytest.mark.parametrize("words", [("flow", "watch"), ("flow", "show"), ("verify", "show", "--verbose")])
def test_a_stranger_gives_the_runner_no_command(blocks, github, words):
    flow = scenes.make_flow(request="# ::stop-commands::x ##[add-mask]y\n")
    error = ("stage:failed", "no\n::set-output name=x::y\n  ::error::z\n##[group]a", "::warning::Use it.")
    scenes.fail_stage(scenes.start_kind(flow, "context"), error)
    found = blocks(*words, flow.id, **github)
    ours = re.compile(r"::error title=stage%3Afailed::")
    for line in (found.stdout + found.stderr).splitlines():
        assert ours.match(line) or not line.strip().startswith("::"), line
        assert "##[" not in line or ours.match(line)
    summary = read_summary(github) if words[1] == "watch" else ""
    assert "::set-output" not in summary.splitlines()


def test_reports_are_written_for_both_code_hosts(blocks, service, work):
    flow = story.tell_failed_flow()
    assert blocks("flow", "follow", flow.id, "--reports", "reports").returncode == 1
    folder = work / "reports"
    Draft4Validator(SARIF).validate(json.loads((folder / "findings.sarif").read_text()))
    assert junitparser.JUnitXml.fromfile(str(folder / "findings.junit.xml")).failures == 3
    issues = json.loads((folder / "gl-code-quality.json").read_text())
    # What GitLab asks of each.
    assert {frozenset(issue) for issue in issues} == {
        frozenset({"description", "check_name", "fingerprint", "severity", "location"})
    }
    assert len({issue["fingerprint"] for issue in issues}) == len(issues)
    assert {issue["severity"] for issue in issues} <= {"info", "minor", "major", "critical", "blocker"}
    assert all(issue["location"]["lines"]["begin"] >= 1 for issue in issues)
    links = json.loads((folder / "gl-annotations.json").read_text())
    assert links["blocks"][0]["external_link"]["url"] == f"{service.url}/flows/{flow.id}/"


def test_a_job_that_asks_for_colours_gets_no_moving_picture(blocks):
    flow = scenes.run_through(scenes.make_flow())
    found = blocks("flow", "watch", flow.id, CI="true", FORCE_COLOR="1", TERM="xterm-256color")
    # Colours are there; what moves the cursor is not.
    assert "\x1b[" in found.stdout
    assert re.findall(r"\x1b\[[0-9;?]*[A-LN-Za-ln-z]", found.stdout) == []
    assert os.linesep in found.stdout


def test_a_terminal_of_a_job_gets_none_either(terminal):  # noqa: F811
    flow = scenes.run_through(scenes.make_flow())
    said = terminal(100, "flow", "watch", flow.id, CI="true")
    assert re.findall(r"\x1b\[[0-9;?]*[A-LN-Za-ln-z]", said) == []
    assert f"FLOW PASSED {flow.id}" in said
