"""The launch runbook's checklists, its table of the environment and its four checks of launch day, as facts
in ``checklists.json``. Where the runbook is at hand, a test holds the facts to it.
"""

import json
import re
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_suffix(".json")


def read_checklists() -> dict[str, Any]:
    """The facts that this project keeps."""
    found: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    return found


def parse_checklists(text: str) -> dict[str, Any]:
    """The same facts, read from the text of the runbook."""
    table = text.split("**Environment Variables (FlowEngine Deployment):**")[1].split("```")[1]
    go_live = text.split("**8:00 AM — Pre-Flight Checks**")[1].split("```")[1]
    return {
        "checklists": find_lines(text),
        "secrets": re.findall(r"- name: (\w+)\n\s+valueFrom:", table),
        "environment": dict(re.findall(r'- name: (\w+)\n\s+value: "([^"]*)"', table)),
        "go_live": re.findall(r"^# (\d\. .+)", go_live, re.M),
        "prerequisites": re.findall(r"^\*\*Prerequisites:\*\* (.+)$", text, re.M),
    }


def find_lines(text: str) -> dict[str, list[str]]:
    """Every line with a box, under the heading above it."""
    found: dict[str, list[str]] = {}
    heading = ""
    for line in text.splitlines():
        if match := re.fullmatch(r"#+ (.+)|\*\*([^*]+?):?\*\*", line):
            heading = (match[1] or match[2]).removesuffix(":")
        elif match := re.fullmatch(r"\s*- \[ \] (.+)", line):
            found.setdefault(heading, []).append(match[1])
    return found
