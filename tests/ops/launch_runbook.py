"""What the launch runbook says and types, as facts in ``launch_runbook.json``.

The runbook itself is not part of the project. Where it is at hand, ``test_launch_runbook`` reads it and holds
the facts to it.
"""

import json
import os
import re
from pathlib import Path
from typing import Any

Facts = dict[str, Any]
ROOT = Path(__file__).resolve().parents[2]
FILE = Path(__file__).with_suffix(".json")
PROCEDURES = (
    "Go-Live Day Procedures",
    "Monitoring Protocol",
    "Rollback to Pilot Scope",
    "Rollback to Manual Review",
    "Incident Response Playbook",
)
"""The beginnings of the headings of what is done in an order."""
_PROGRAMS = ("blocks ", "kubectl ", "psql ", "curl ", "grep ")
PLACE = Path("shared", "seed", "launch-runbook.md")
"""Beside the checkout, or beside the folder of all checkouts."""


def read_facts() -> Facts:
    """The facts that this project keeps."""
    found: Facts = json.loads(FILE.read_text(encoding="utf-8"))
    return found


def find_runbook() -> Path | None:
    """The runbook itself: ``LAUNCH_RUNBOOK``, or where it usually is; None where it is not at hand."""
    named = os.environ.get("LAUNCH_RUNBOOK")
    places = [Path(named)] if named else [folder / PLACE for folder in (ROOT.parent, ROOT.parent.parent)]
    return next((place for place in places if place.is_file()), None)


def parse_runbook(text: str) -> Facts:
    """The same facts, read from the text of the runbook."""
    configured = _cut(text, "**Alerts Configured:**", "**Verification:**")
    thresholds = _cut(text, "**Alert Thresholds", "---")
    severities = _cut(text, "### Severity Levels", "---\n\n###")
    live = _cut(text, "**Dashboards Live:**", "**Alerts Configured:**")
    critical = _cut(text, "**Critical Dashboards", "**Alert Thresholds")
    queries = _cut(text, "**Query Examples (Prometheus):**", "---")
    escalation = next(line for line in text.splitlines() if "Escalation policy:" in line)
    soak = _cut(text, "**Phase 6 Exit Criteria", "**Evidence Package")
    evidence = _cut(text, "**Evidence Package", "---")
    rollout = _cut(text, "### Phase 7 (Org-Wide Rollout) — Success Metrics", "## Appendix")
    return {
        "alerts_configured": _find_all(r"- \[ \] ([\w ]+): (.+?) → (.+)", configured),
        "alert_thresholds": _find_all(
            r"- \S+ \*\*(\w+)(?: \(\w+\))?:\*\* (.+?)(?: \(([^)]*)\))? → (.+)", thresholds
        ),
        "notification": dict(_find_all(r"\| \*\*(P\d) .+? \|.+\|.+\| (.+?) \|", severities)),
        "escalation": [
            [who, int(minutes)] for who, minutes in _find_all(r"([A-Z][\w ]+?) \((\d+) min\)", escalation)
        ],
        "metrics_exports": sorted(set(re.findall(r"blocks metrics export[ \w-]+\w", text))),
        "soak_criteria": _find_criteria(soak),
        "rollout_metrics": _find_criteria(rollout),
        "evidence_files": sorted(re.findall(r"`(planning/\S+)`", evidence)),
        "tested_alerts": sorted(set(re.findall(r"blocks alerts test (\w+)", text))),
        "dashboards_live": sorted(re.findall(r"grafana\.company\.com/d/([\w-]+)", live)),
        "refresh": _find_all(r"Auto-Refresh: (\w+)", critical)[0][0],
        "dashboards": {
            uid: _find_all(r"   - (.+?) \((.+)\)", lines)
            for uid, lines in re.findall(r"/d/([\w-]+)\n((?:   - .+\n?)+)", critical)
        },
        "commands": find_commands(text),
        "procedures": {name: find_steps(_cut(text, f"### {name}", "\n---\n")) for name in PROCEDURES},
        "queries": dict(_find_all(r"# (.+)\n(.+)", queries)),
    }


def find_commands(text: str) -> list[str]:
    """Each different ``blocks`` command that is typed, in code and in sentences; TEXT for a message."""
    # A backslash at the end of a line continues it.
    joined = re.sub(r"\\\n\s*", "", text)
    typed = r"^[ \t]*(blocks [a-z].*)$|`(?:cd \S+ && )?(blocks [a-z][^`]*)`"
    found = [(match[1] or match[2]).strip() for match in re.finditer(typed, joined, re.M)]
    without_texts = [re.sub(r'"[^"]*"', "TEXT", command) for command in found]
    return list(dict.fromkeys(without_texts))


def find_steps(text: str) -> list[str]:
    """What is typed in the code blocks of a procedure, in its order; TEXT for a message."""
    steps, begun = [], ""
    for block in re.findall(r"```bash\n(.*?)```", text, re.S):
        for line in block.replace("\\\n", " ").splitlines():
            begun += f" {line}"
            # A command continues as long as its quotation is open.
            if begun.count('"') % 2:
                continue
            words = " ".join(re.sub(r"(^|\s)# .*", "", begun).split())
            begun = ""
            if words.startswith(_PROGRAMS):
                steps.append(re.sub(r'--(message|subject|body) "[^"]*"', r"--\1 TEXT", words))
    return steps


def _find_criteria(text: str) -> list[str]:
    """What is judged, without its bound: ``Flow success rate`` of ``- [ ] Flow success rate: ≥99%``."""
    lines = re.findall(r"- \[ \] (.+)", text)
    return sorted(re.sub(r"^≥\d+ |[:(].*", "", line).strip() for line in lines)


def _cut(text: str, begin: str, end: str) -> str:
    """What is between two marks."""
    return text.split(begin, 1)[1].split(end, 1)[0]


def _find_all(pattern: str, text: str) -> list[list[str]]:
    """The groups of every match."""
    return [[group or "" for group in match.groups()] for match in re.finditer(pattern, text)]
