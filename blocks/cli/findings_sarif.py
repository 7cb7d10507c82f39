"""What the gates found as SARIF 2.1.0, which code hosts show beside the lines.

Source: https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html
"""

from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from typing import Any, Final

from blocks import __version__

_SCHEMA: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
FINGERPRINT: Final = "blocksFinding/v1"
_LEVELS: Final = frozenset({"error", "warning", "note"})
_UNKNOWN_RULE: Final = "finding"


def build_sarif(gates: Iterable[Mapping[str, Any]], prefix: str, files: Mapping[str, str]) -> dict[str, Any]:
    """One run with a result for each finding, and for each gate that did not pass and found no place.

    ``prefix`` is where ``files`` are below the root of the repo, with a slash at its end.
    """
    # Every gate of the round, in their order; code hosts sort by severity themselves.
    results = [result for gate in gates for result in _list_results(gate, prefix, files)]
    rules = {result["ruleId"]: {"id": result["ruleId"]} for result in results}
    return {
        "$schema": _SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "blocks gates",
                        "semanticVersion": __version__,
                        "rules": [rules[name] for name in sorted(rules)],
                    }
                },
                "columnKind": "unicodeCodePoints",
                "results": results,
            }
        ],
    }


def _list_results(gate: Mapping[str, Any], prefix: str, files: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    findings = gate["findings"]
    for finding in findings:
        yield _make_result(gate, finding, prefix, files)
    if not findings and gate["verdict"] != "passed":
        yield _make_result(gate, {"rule": gate["verdict"], "message": gate["summary"]}, prefix, files)


def _make_result(
    gate: Mapping[str, Any], finding: Mapping[str, Any], prefix: str, files: Mapping[str, str]
) -> dict[str, Any]:
    rule = f"{gate['gate']}/{finding.get('rule') or _UNKNOWN_RULE}"
    severity = str(finding.get("severity") or "error")
    message = str(finding.get("message") or gate["summary"] or rule)
    if gate["cure"]:
        message += f"\n\nHow to fix it: {gate['cure']}"
    path, line = str(finding.get("path") or ""), int(finding.get("line") or 0)
    result: dict[str, Any] = {
        "ruleId": rule,
        "level": severity if severity in _LEVELS else "error",
        "message": {"text": message},
        # Without the line: a finding that moves down is the same finding.
        "partialFingerprints": {FINGERPRINT: _digest(rule, path, str(finding.get("message") or ""))},
    }
    # A code host takes no result without a place, and none in a file that is not there.
    if path not in files:
        path, line = _choose_file(gate["gate"], files), 0
    place = _make_place(prefix + path, line, int(finding.get("end_line") or 0), files.get(path, ""))
    return result | {"locations": [{"physicalLocation": place}]}


def _choose_file(gate: str, files: Mapping[str, str]) -> str:
    """The file that a finding without a place is about: the contract, or the module that the tests name."""
    if gate == "contract" and "contract.json" in files:
        return "contract.json"
    # The module that has a test of its name; a block with private modules has others beside it.
    tested = [path for path in sorted(files) if f"test_{path}" in files]
    return tested[0] if tested else min(files)


def _make_place(uri: str, line: int, end: int, text: str) -> dict[str, Any]:
    place: dict[str, Any] = {"artifactLocation": {"uri": uri}}
    if 0 < line <= text.count("\n") + 1:
        place["region"] = {"startLine": line, "endLine": max(line, end)}
    return place


def _digest(*parts: str) -> str:
    # A lone half of a pair cannot be written as UTF-8.
    return sha256("\0".join(parts).encode("utf-8", "replace")).hexdigest()
