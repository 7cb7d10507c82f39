"""Blocks for the gates' tests: a sound one to vary, and short ways to say how another differs."""

import json
from dataclasses import replace
from typing import Any

from gates.base import Candidate

MODULE = '''"""Shipping fees."""


def fee(weight: int, express: bool = False) -> int:
    """Fee in cents for a parcel of ``weight`` grams; raises ``ValueError`` outside 1 to 30000."""
    if weight < 1 or weight > 30000:
        raise ValueError(f"weight {weight} is outside 1 to 30000")
    if weight <= 500:
        base = 250
    elif weight <= 2000:
        base = 490
    else:
        base = 490 + (weight - 2000) // 100 * 12
    if express:
        return base * 2 + 99
    return base
'''

TESTS = """import pytest

from parcel import fee


@pytest.mark.parametrize(
    ("weight", "cents"),
    [
        (1, 250), (500, 250), (501, 490), (2000, 490), (2001, 490),
        (2100, 502), (2199, 502), (2200, 514), (30000, 3850),
    ],
)
def test_normal_fee(weight, cents):
    assert fee(weight) == cents


@pytest.mark.parametrize(("weight", "cents"), [(1, 599), (501, 1079), (2100, 1103)])
def test_express_fee(weight, cents):
    assert fee(weight, express=True) == cents


@pytest.mark.parametrize("weight", [0, -5, 30001])
def test_refused(weight):
    with pytest.raises(ValueError, match=f"^weight {weight} is outside 1 to 30000$"):
        fee(weight)
"""

CONTRACT: dict[str, Any] = {
    "contract": 1,
    "family": "logistics",
    "name": "parcel",
    "version": "1.0.0",
    "entrypoints": [
        {
            "call": "fee",
            "summary": "Fee in cents.",
            "input": {
                "type": "object",
                "properties": {
                    "weight": {"type": "integer", "minimum": 1, "maximum": 30000},
                    "express": {"type": "boolean"},
                },
                "required": ["weight"],
                "additionalProperties": False,
            },
            "output": {"type": "integer", "minimum": 250, "maximum": 8000},
            "raises": [],
            "examples": [{"input": {"weight": 501}, "output": 490}],
        }
    ],
}

SOUND = Candidate(
    "logistics",
    "parcel",
    MODULE,
    TESTS,
    json.dumps(CONTRACT),
    implementer="openai/gpt-5.1",
    reviewer="anthropic/claude-opus",
)


def entry(**changes: Any) -> str:
    """The sound contract with its entry point changed."""
    return json.dumps({**CONTRACT, "entrypoints": [{**CONTRACT["entrypoints"][0], **changes}]})


def block(module: str | None = None, tests: str | None = None, contract: str | None = None) -> Candidate:
    """The sound block with some of its files replaced."""
    return replace(SOUND, module=module or MODULE, tests=tests or TESTS, contract=contract or SOUND.contract)


def approved(findings: list[dict[str, Any]] | None = None, verdict: str = "approve") -> dict[str, Any]:
    """A review."""
    return {"verdict": verdict, "summary": "Read in full.", "findings": findings or []}
