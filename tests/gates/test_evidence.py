"""Evidence keeps to the formats that it claims."""

import json
from typing import Any
from xml.etree.ElementTree import fromstring

import pytest
from jsonschema import Draft202012Validator

from gates.base import Finding, Policy
from gates.evidence import format_junit, format_sarif, format_stryker
from gates.measurements import MeasuredTest, Mutant, MutantStatus
from gates.runner import run_gate
from tests.gates.blocks import MODULE, SOUND, block
from tests.gates.evidence_schemas import SARIF, STRYKER


def test_junit_counts_and_survives_any_text() -> None:
    tests = {
        "test_x.py::test_a": MeasuredTest("passed", 0.5, ""),
        "test_x.py::test_b[<1>]": MeasuredTest("failed", 0.25, "\x00 \ud800 <&>"),
        "test_x.py::test_c": MeasuredTest("xfail", 0, ""),
    }

    suite = fromstring(format_junit("x", tests))[0]  # noqa: S314 - our own output

    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped"), suite.get("time")) == (
        "3",
        "1",
        "1",
        "0.7500",
    )
    assert [case.get("name") for case in suite] == ["test_a", "test_b[<1>]", "test_c"]
    assert suite[1][0].text == "? ? <&>"


def test_stryker_positions_count_from_one() -> None:
    mutant = Mutant(
        operator="number",
        line=3,
        column=4,
        end_line=3,
        end_column=5,
        function="fee",
        original="1",
        replacement="2",
        status=MutantStatus.SURVIVED,
        covered_by=None,
        compared=0,
        differing=0,
        example="",
    )

    report = json.loads(format_stryker({"x.py": "source"}, {"x.py": [mutant]}, Policy()))

    assert report["schemaVersion"] == "2.0"
    assert report["thresholds"] == {"high": 80, "low": 60, "break": 60}
    (item,) = report["files"]["x.py"]["mutants"]
    assert item["location"] == {"start": {"line": 3, "column": 5}, "end": {"line": 3, "column": 6}}
    assert item["coveredBy"] == []


def test_sarif_places_what_has_a_place() -> None:
    log = json.loads(
        format_sarif(
            "tool", "1", [Finding("R1", "here", "warning", "x.py", 3, 4), Finding("R2", "nowhere")], ["x.py"]
        )
    )

    (run,) = log["runs"]
    assert log["version"] == "2.1.0"
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == ["R1", "R2"]
    assert run["results"][0]["locations"][0]["physicalLocation"]["region"] == {"startLine": 3, "endLine": 4}
    assert "locations" not in run["results"][1]


def _complaints(schema: dict[str, Any], content: bytes) -> list[str]:
    checker = Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)
    return [f"{error.json_path}: {error.message}" for error in checker.iter_errors(json.loads(content))]


@pytest.mark.parametrize(
    "module",
    [
        MODULE,
        f"{MODULE}\n\nimport pickle\nimport subprocess\n\nsubprocess.call('id', shell=True)\n",
        f"{MODULE}\n(:\n",
    ],
)
def test_security_evidence_is_sarif(module: str) -> None:
    report = run_gate("security", block(module=module), Policy())

    assert _complaints(SARIF, report.evidence["security.sarif"]) == []


def test_review_evidence_is_sarif() -> None:
    odd = [
        Finding("review", "here", "note", "a.py", 0),
        Finding("review", "there", "error", "a.py", 5, 2),
        Finding("r", "nowhere"),
    ]

    assert _complaints(SARIF, format_sarif("reviewer", "1", odd, ["a.py"])) == []


def test_mutation_evidence_is_strykers() -> None:
    report = run_gate("mutation", SOUND, Policy())

    content = report.evidence["mutation.json"]
    assert _complaints(STRYKER, content) == []
    (file,) = json.loads(content)["files"].values()
    assert len({mutant["id"] for mutant in file["mutants"]}) == len(file["mutants"]) >= 20
    lines = file["source"].splitlines()
    assert all(mutant["location"]["end"]["line"] <= len(lines) for mutant in file["mutants"])


@pytest.mark.parametrize(
    ("schema", "content"),
    [
        (SARIF, {"version": "2.1.0", "runs": [{"results": []}]}),
        (STRYKER, {"schemaVersion": "2.0", "files": {}}),
        (SARIF, []),
    ],
)
def test_schemas_refuse_what_is_none(schema: dict[str, Any], content: object) -> None:
    assert _complaints(schema, json.dumps(content).encode())
