"""What a job of CI shows of a flow: a summary, annotations, and files that its CI system reads.

Sources: GitHub's workflow commands and job summaries; GitLab's reports `codequality` and `annotations`.
"""

import json
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from blocks.cli import output
from blocks.cli.candidate import FetchedCandidate, choose_newest
from blocks.cli.durations import format_duration, format_percent, format_usd
from blocks.cli.errors import Failure
from blocks.cli.findings_junit import build_junit
from blocks.cli.findings_sarif import FINGERPRINT, build_sarif

# GitHub shows ten errors of a step, and takes a megabyte for its summary.
_MOST_ANNOTATIONS: Final = 10
_MOST_SUMMARY_BYTES: Final = 900_000
_MOST_MESSAGE: Final = 1000
_SEVERITIES: Final = {"error": "major", "warning": "minor", "note": "info"}
_SIGNS: Final = {"passed": "✅", "failed": "❌", "errored": "⚠️"}
# What would be read as markup where a text of others is shown.
_MARKUP: Final = re.compile(r"([\\`*_{}\[\]<>()#+!|~&-])")


def report_flow(flow: Mapping[str, Any], gates: Sequence[Mapping[str, Any]], *, page: str) -> None:
    """Tell the job that this runs in, if any, how a flow ended. ``page`` is the address of its page."""
    if path := os.environ.get("GITHUB_STEP_SUMMARY"):
        _append(Path(path), build_summary(flow, gates, page))
    if os.environ.get("GITHUB_ACTIONS") == "true":
        for line in list_annotations(flow, gates):
            # The runner reads both streams; standard output may hold a JSON document.
            sys.stderr.write(line + "\n")


def build_summary(flow: Mapping[str, Any], gates: Sequence[Mapping[str, Any]], page: str) -> str:
    """The flow as Markdown: status, gates, cost, time, and what to do where it failed."""
    sign = _SIGNS.get(flow["status"], "⏳")
    spent = f"{format_duration(flow['time']['wall_seconds'])}, {format_usd(flow['cost_usd']) or '$0'}"
    lines = [
        f"### {sign} {_escape(flow['title'] or flow['id'])}",
        "",
        f"[{flow['id']}]({page}) {flow['status']} for {_escape(flow['repo'])}: {spent}.",
    ]
    newest = choose_newest(gates)
    if newest:
        lines += ["", "| gate | verdict | score | needed | finding |", "|---|---|---:|---:|---|"]
        lines += [_make_row(gate) for gate in newest]
    if error := flow["error"]:
        lines += ["", f"**{_escape(error['code'])}**: {_escape(error['message'])}"]
        lines += ["", f"How to fix it: {_escape(error['cure'])}"] if error["cure"] else []
    if flow["status"] == "failed":
        lines += ["", "```", f"blocks verify show {flow['id']} --verbose", "```"]
    return "\n".join(lines) + "\n\n"


def _make_row(gate: Mapping[str, Any]) -> str:
    score, needed = (format_percent(gate[name]) for name in ("score", "threshold"))
    verdict = f"{_SIGNS.get(gate['verdict'], '')} {gate['verdict']}"
    return f"| {gate['gate']} | {verdict} | {score} | {needed} | {_escape(gate['summary'])} |"


def _escape(text: str) -> str:
    """A text of others in a line of Markdown, as it is."""
    return _MARKUP.sub(r"\\\1", " ".join(str(text)[:_MOST_MESSAGE].split()))


def list_annotations(flow: Mapping[str, Any], gates: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """A workflow command of GitHub for each gate that did not pass, or else for the flow's error."""
    bad = [gate for gate in choose_newest(gates) if gate["verdict"] != "passed"]
    for gate in bad[:_MOST_ANNOTATIONS]:
        # Three findings of a gate: an annotation points to what is wrong, and SARIF has all of it.
        found = [str(one.get("message") or "") for one in gate["findings"][:3]]
        parts = [gate["summary"], *found, gate["cure"]]
        yield _annotate(f"{gate['gate']} gate {gate['verdict']}", "\n".join(filter(None, parts)))
    if not bad and flow["error"]:
        error = flow["error"]
        yield _annotate(error["code"], "\n".join(filter(None, (error["message"], error["cure"]))))


def _annotate(title: str, message: str) -> str:
    # The escapes of workflow commands: without them, a message could begin a command of its own.
    clean = message[:_MOST_MESSAGE].replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    named = title.replace("%", "%25").replace(":", "%3A").replace(",", "%2C")
    return f"::error title={named}::{clean}"


def write_reports(folder: Path, found: FetchedCandidate, page: str) -> list[Path]:
    """Write what CI systems read of the newest round into ``folder``: SARIF, JUnit, GitLab's code quality and
    its link to the flow. Returns the paths.
    """
    link = {"external_link": {"label": f"Flow {found.flow['id']}", "url": page}}
    texts = {
        "findings.sarif": json.dumps(build_sarif(found.gates, found.prefix, found.files), indent=2),
        "findings.junit.xml": build_junit(found.gates, str(found.flow["id"])),
        "gl-code-quality.json": json.dumps(list_issues(found), indent=2),
        "gl-annotations.json": json.dumps({"blocks": [link]}, indent=2),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            (folder / name).write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise Failure(
            f"The reports cannot be written: {error}", cure="Name a folder that can be written."
        ) from error
    return [folder / name for name in texts]


def list_issues(found: FetchedCandidate) -> list[dict[str, Any]]:
    """The findings in GitLab's form of Code Climate: what SARIF says, in other words."""
    results = build_sarif(found.gates, found.prefix, found.files)["runs"][0]["results"]
    return [_make_issue(result) for result in results]


def _make_issue(result: Mapping[str, Any]) -> dict[str, Any]:
    place = result["locations"][0]["physicalLocation"]
    return {
        "description": result["message"]["text"],
        "check_name": result["ruleId"],
        "fingerprint": result["partialFingerprints"][FINGERPRINT],
        "severity": _SEVERITIES[result["level"]],
        "location": {
            "path": place["artifactLocation"]["uri"],
            "lines": {"begin": place.get("region", {}).get("startLine", 1)},
        },
    }


def _append(path: Path, text: str) -> None:
    try:
        # Over its limit, GitHub refuses the summary of the whole step, with what was written before.
        if path.exists() and path.stat().st_size + len(text.encode()) > _MOST_SUMMARY_BYTES:
            return
        with path.open("a", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        # The flow is what counts; a summary that is missing is said and fails nothing.
        output.print_warning(f"note: the job summary cannot be written: {error}")
