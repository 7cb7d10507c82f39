import json
from dataclasses import dataclass
from datetime import date
from typing import Any

import pytest

from orchestrator.core.stored_values import StoredValue
from orchestrator.flows.stage_outputs import (
    ContextOutput,
    DocsOutput,
    ImplementOutput,
    PlanOutput,
    ReviewOutput,
    VerifyOutput,
)

CALL = {
    "model": "m-1",
    "provider": "openai",
    "request_id": "req_1",
    "tokens": {"input_tokens": 100},
    "prompt": "docs.v1",
    "prompt_digest": "aa",
    "round": 1,
}
GATE = {
    "gate": "coverage",
    "verdict": "passed",
    "summary": "All well.",
    "score": "97.5",
    "threshold": None,
    "seconds": 1.25,
    "round": 2,
    "evidence": {"coverage.json": {"sha256": "bb", "artifact": "evidence:coverage:coverage.json"}},
}
JUDGED = {"mode": "strict", "passed": True, "candidate_sha256": "cc", "gates": [GATE]}
STORED: list[tuple[Any, dict[str, Any]]] = [
    (
        ContextOutput,
        {
            "summary": "Ledgers.",
            "conventions": ["Money is Decimal."],
            "relevant_paths": ["a.py"],
            "modules": ["ledger"],
            "packages": ["six"],
            "bundle_sha256": "dd",
            "bundle_bytes": 12,
            "included": ["a.py"],
            "outlined": [],
            "omitted": 3,
            "redactions": 1,
            "calls": [CALL],
        },
    ),
    (
        PlanOutput,
        {
            "risks": [],
            "steps": ["Divide."],
            "tests": ["8 of 100"],
            "summary": "The ratio.",
            "block_name": "capital_ratio",
            "entrypoints": [{"call": "f", "input": {}, "output": {}}],
            "block_family": "compliance",
            "calls": [CALL],
        },
    ),
    (
        ImplementOutput,
        {
            "files": ["a.py"],
            "model": "m-1",
            "provider": "openai",
            "calls": [CALL, {**CALL, "round": 2, "repair_digest": "ee"}],
        },
    ),
    (VerifyOutput, {**JUDGED, "gates_seconds": 2.5, "dependencies_sha256": "", "quality_score": "97.5"}),
    (VerifyOutput, {"mode": "off", "passed": False, "gates": []}),
    (
        ReviewOutput,
        {**JUDGED, "verdict": "block", "summary": "Wrong.", "findings": [{"line": 5}], "calls": []},
    ),
    (ReviewOutput, {"mode": "off", "passed": False, "gates": [], "calls": []}),
    (DocsOutput, {"files": ["README.md"], "subject_sha256": "ee", "calls": [CALL]}),
]


@pytest.mark.parametrize(("output", "stored"), STORED)
def test_stored_output_is_the_same_after_parsing(output: Any, stored: dict[str, Any]) -> None:
    written = output.parse(stored).to_json()
    assert json.dumps(written, sort_keys=True) == json.dumps(stored, sort_keys=True)


@pytest.mark.parametrize("output", [ContextOutput, ImplementOutput, VerifyOutput, ReviewOutput, DocsOutput])
def test_missing_and_unknown_keys_of_other_versions_are_tolerated(output: Any) -> None:
    assert output.parse({}) == output.parse({"later": 1}) == output()


def test_reviewer_sees_the_plan_in_the_order_of_jsonb() -> None:
    keys = list(PlanOutput.parse(STORED[1][1]).document())
    assert keys == sorted(keys, key=lambda key: (len(key), key))


@pytest.mark.parametrize(
    ("output", "stored"),
    [
        (PlanOutput, {}),
        (VerifyOutput, {"passed": "true"}),
        (VerifyOutput, {"gates": [1]}),
        (ReviewOutput, {"calls": {}}),
        (ContextOutput, {"bundle_bytes": -1}),
        (ContextOutput, {"conventions": [1]}),
        (ContextOutput, {"conventions": "Money is Decimal."}),
        (ContextOutput, {"summary": None}),
        (ContextOutput, {"summary": "x" * 1_000_001}),
        (ContextOutput, {"included": [""] * 100_001}),
        (ImplementOutput, {"calls": [{"tokens": {"input": "many"}}]}),
        (VerifyOutput, {"gates_seconds": float("nan")}),
        (VerifyOutput, {"gates": [{"score": 97.5}]}),
        (VerifyOutput, {"gates": [{"evidence": {"a.json": "bb"}}]}),
        (ReviewOutput, {"findings": ["wrong"]}),
        (DocsOutput, {"calls": [{"round": True}]}),
    ],
)
def test_value_of_the_wrong_kind_is_refused(output: Any, stored: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"the plan|the stored value"):
        output.parse(stored)


def test_a_type_that_nothing_reads_is_refused_when_it_is_first_used() -> None:
    @dataclass(frozen=True)
    class Odd(StoredValue):
        when: date

    with pytest.raises(TypeError, match="date"):
        Odd.parse({})
