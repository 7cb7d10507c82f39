"""What the gates found as JUnit XML, which every CI system shows as a list of tests: one case for each gate.

There is no standard; what is written here is what Jenkins, GitLab and the GitHub actions for it read.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from xml.etree import ElementTree as ET

from blocks.cli.terminal_text import remove_controls


def build_junit(gates: Sequence[Mapping[str, Any]], suite: str) -> str:
    """The document: a suite with a case for each gate."""
    failed = [gate for gate in gates if gate["verdict"] == "failed"]
    errored = [gate for gate in gates if gate["verdict"] == "errored"]
    seconds = sum(_read_seconds(gate) for gate in gates)
    counts = {
        "tests": str(len(gates)),
        "failures": str(len(failed)),
        "errors": str(len(errored)),
        "time": f"{seconds:.3f}",
    }
    name = _clean(suite)
    root = ET.Element("testsuites", {"name": "blocks gates", **counts})
    cases = ET.SubElement(root, "testsuite", {"name": name, "skipped": "0", **counts})
    for gate in gates:
        _add_case(cases, gate, name)
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _add_case(cases: ET.Element, gate: Mapping[str, Any], suite: str) -> None:
    name, seconds = f"{gate['gate']} gate", f"{_read_seconds(gate):.3f}"
    case = ET.SubElement(cases, "testcase", classname=suite, name=name, time=seconds)
    if gate["verdict"] == "passed":
        return
    # No verdict is a fault of the gate, and JUnit tells faults from failures.
    tag = "failure" if gate["verdict"] == "failed" else "error"
    found = ET.SubElement(case, tag, message=_clean(gate["summary"]), type=_clean(gate["gate"]))
    lines = [_describe_finding(one) for one in gate["findings"]]
    if gate["cure"]:
        lines.append(f"How to fix it: {gate['cure']}")
    found.text = _clean("\n".join(lines))


def _describe_finding(finding: Mapping[str, Any]) -> str:
    place = str(finding.get("path") or "")
    if place and finding.get("line"):
        place += f":{finding['line']}"
    return "  ".join(filter(None, (place, finding.get("rule"), finding.get("message"))))


def _read_seconds(gate: Mapping[str, Any]) -> float:
    return float(gate.get("seconds") or 0)


def _clean(text: str) -> str:
    # XML has no place for control codes, not even escaped; a lone half of a pair cannot be written as UTF-8.
    return remove_controls(text).encode("utf-8", "replace").decode()
