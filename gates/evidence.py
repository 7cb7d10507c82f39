"""Evidence in standard formats: JUnit XML, Stryker's mutation schema, SARIF 2.1.0."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import count
from typing import Any
from xml.etree.ElementTree import Element, SubElement, tostring

from gates.base import Finding, Policy
from gates.measurements import MeasuredTest, Mutant

_SARIF_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_XML_DECLARATION = b"<?xml version='1.0' encoding='utf-8'?>\n"
# Stryker colours a file green from here on.
_STRYKER_HIGH = 80


def format_junit(name: str, tests: Mapping[str, MeasuredTest]) -> bytes:
    """JUnit XML of one suite; ``tests`` by node id."""
    outcomes = Counter(test.outcome for test in tests.values())
    seconds = sum(test.seconds for test in tests.values())
    suite = Element(
        "testsuite",
        name=name,
        tests=str(len(tests)),
        failures=str(outcomes["failed"]),
        errors="0",
        time=f"{seconds:.4f}",
    )
    # An expected failure proves nothing either, and JUnit has no word for it.
    suite.set("skipped", str(outcomes["skipped"] + outcomes["xfail"]))
    for node_id, test in tests.items():
        _add_test_case(suite, node_id, test)
    root = Element("testsuites")
    root.append(suite)
    return _XML_DECLARATION + tostring(root)


def _add_test_case(suite: Element, node_id: str, test: MeasuredTest) -> None:
    path, _, case_name = node_id.partition("::")
    case = SubElement(
        suite,
        "testcase",
        classname=_xml_text(path.removesuffix(".py")),
        name=_xml_text(case_name),
        time=f"{test.seconds:.4f}",
    )
    if test.outcome == "failed":
        SubElement(case, "failure", message="failed").text = _xml_text(test.text)
    elif test.outcome != "passed":
        SubElement(case, "skipped", message=test.outcome)


def _xml_text(text: str) -> str:
    return "".join(sign if _is_xml_character(sign) else "?" for sign in text)


def _is_xml_character(sign: str) -> bool:
    """Whether XML 1.0 allows ``sign``: few control characters, no surrogates, no U+FFFE and U+FFFF."""
    return sign in "\n\t" or " " <= sign < "\ud800" or "\ue000" <= sign < "\ufffe"


def format_stryker(
    sources: Mapping[str, str], mutants: Mapping[str, Iterable[Mutant]], policy: Policy
) -> bytes:
    """Stryker's mutation testing report, schema version 2. Both are by path."""
    numbers = count(1)
    files = {}
    for path, source in sources.items():
        items = [_stryker_mutant(next(numbers), mutant) for mutant in mutants.get(path, ())]
        files[path] = {"language": "python", "source": source, "mutants": items}
    low = int(policy.min_mutation_kill_rate)
    report = {
        "schemaVersion": "2.0",
        "thresholds": {"high": max(_STRYKER_HIGH, low), "low": low, "break": low},
        "files": files,
    }
    return json.dumps(report, indent=1).encode()


def _stryker_mutant(number: int, mutant: Mutant) -> dict[str, Any]:
    return {
        "id": str(number),
        "mutatorName": mutant.operator,
        "replacement": mutant.replacement,
        "status": str(mutant.status),
        "coveredBy": list(mutant.covered_by or ()),
        # Python counts columns from 0, Stryker from 1.
        "location": {
            "start": {"line": mutant.line, "column": mutant.column + 1},
            "end": {"line": mutant.end_line, "column": mutant.end_column + 1},
        },
    }


def format_sarif(tool: str, version: str, findings: Iterable[Finding], scanned: Iterable[str] = ()) -> bytes:
    """A SARIF 2.1.0 log with one run. ``scanned`` names the files looked at."""
    findings = tuple(findings)
    # One rule each, in the order in which they first occur.
    rules = {finding.rule: {"id": finding.rule} for finding in findings}
    driver = {"name": tool, "version": version, "rules": list(rules.values())}
    run = {
        "tool": {"driver": driver},
        "artifacts": [{"location": {"uri": path}} for path in scanned],
        "results": [_sarif_result(finding) for finding in findings],
        "columnKind": "unicodeCodePoints",
    }
    return json.dumps({"$schema": _SARIF_SCHEMA, "version": "2.1.0", "runs": [run]}, indent=1).encode()


def _sarif_result(finding: Finding) -> dict[str, Any]:
    # Our severities are SARIF's levels.
    result: dict[str, Any] = {
        "ruleId": finding.rule,
        "level": finding.severity,
        "message": {"text": finding.message},
    }
    if finding.path:
        place: dict[str, Any] = {"artifactLocation": {"uri": finding.path}}
        if finding.line > 0:
            end_line = max(finding.line, finding.end_line)
            place["region"] = {"startLine": finding.line, "endLine": end_line}
        result["locations"] = [{"physicalLocation": place}]
    return result
