"""Standard formats: JUnit XML, Stryker's mutation schema, SARIF 2.1.0."""

import json
from collections.abc import Iterable, Mapping
from typing import Any
from xml.etree.ElementTree import Element, SubElement, tostring

from gates.base import Finding, Policy

_SARIF_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_LEVELS = {"error": "error", "warning": "warning", "note": "note"}


def format_junit(name: str, tests: Mapping[str, Mapping[str, Any]]) -> bytes:
    """JUnit XML of one suite. ``tests`` maps a node id to outcome, seconds and text."""
    counts = {
        kind: sum(test["outcome"] == kind for test in tests.values())
        for kind in ("failed", "skipped", "xfail")
    }
    seconds = sum(float(test["seconds"]) for test in tests.values())
    suite = Element(
        "testsuite",
        name=name,
        tests=str(len(tests)),
        failures=str(counts["failed"]),
        errors="0",
        time=f"{seconds:.4f}",
    )
    suite.set("skipped", str(counts["skipped"] + counts["xfail"]))
    for node, test in tests.items():
        path, _, case_name = node.partition("::")
        case = SubElement(
            suite,
            "testcase",
            classname=path.removesuffix(".py"),
            name=_xml(case_name),
            time=f"{float(test['seconds']):.4f}",
        )
        if test["outcome"] == "failed":
            SubElement(case, "failure", message="failed").text = _xml(test["text"])
        elif test["outcome"] != "passed":
            SubElement(case, "skipped", message=str(test["outcome"]))
    root = Element("testsuites")
    root.append(suite)
    return b"<?xml version='1.0' encoding='utf-8'?>\n" + tostring(root)


def _xml(text: str) -> str:
    return "".join(
        sign if sign in "\n\t" or " " <= sign < "\ud800" or "\ue000" <= sign < "\ufffe" else "?"
        for sign in text
    )


def format_stryker(path: str, source: str, mutants: Iterable[Mapping[str, Any]], policy: Policy) -> bytes:
    """Stryker's mutation testing report, schema version 2."""
    items = [
        {
            "id": str(index),
            "mutatorName": mutant["operator"],
            "replacement": mutant["replacement"],
            "status": mutant["status"],
            "coveredBy": mutant["covered_by"] or [],
            "location": {
                "start": {"line": mutant["line"], "column": mutant["column"] + 1},
                "end": {"line": mutant["end_line"], "column": mutant["end_column"] + 1},
            },
        }
        for index, mutant in enumerate(mutants, 1)
    ]
    low = int(policy.min_mutation_kill_rate)
    report = {
        "schemaVersion": "2.0",
        "thresholds": {"high": max(80, low), "low": low, "break": low},
        "files": {path: {"language": "python", "source": source, "mutants": items}},
    }
    return json.dumps(report, indent=1).encode()


def format_sarif(tool: str, version: str, findings: Iterable[Finding], scanned: Iterable[str] = ()) -> bytes:
    """A SARIF 2.1.0 log with one run. ``scanned`` names the files looked at."""
    results, rules = [], {}
    for finding in findings:
        rules[finding.rule] = {"id": finding.rule}
        result: dict[str, Any] = {
            "ruleId": finding.rule,
            "level": _LEVELS[finding.severity],
            "message": {"text": finding.message},
        }
        if finding.path:
            place: dict[str, Any] = {"artifactLocation": {"uri": finding.path}}
            if finding.line > 0:
                place["region"] = {"startLine": finding.line, "endLine": max(finding.line, finding.end_line)}
            result["locations"] = [{"physicalLocation": place}]
        results.append(result)
    driver = {"name": tool, "version": version, "rules": list(rules.values())}
    artifacts = [{"location": {"uri": path}} for path in scanned]
    run = {
        "tool": {"driver": driver},
        "artifacts": artifacts,
        "results": results,
        "columnKind": "unicodeCodePoints",
    }
    return json.dumps({"$schema": _SARIF_SCHEMA, "version": "2.1.0", "runs": [run]}, indent=1).encode()
