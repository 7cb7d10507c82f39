"""What pinned packages cost: one block twice, with pandas and in plain Python, through all gates.

Both have more than twenty changes, so that neither is small code, for which the gates make each pair of them.
"""

import json
import time
from dataclasses import replace
from pathlib import Path
from statistics import median

from gates import environments
from gates.base import Candidate, Policy
from gates.runner import judge_reports, run_gates

# As `uv pip compile --generate-hashes` prints them.
_PINS = Path(__file__).with_suffix(".txt")
_NAME = "customer_totals"
_PLAIN = '''"""Adds up the orders of customers."""


def total_by_customer(orders: list[dict[str, str | int]]) -> dict[str, int]:
    """Cents by customer, of paid and open orders; customers in the order of their names."""
    totals: dict[str, int] = {}
    for order in orders:
        if order["state"] != "cancelled" and int(order["cents"]) > 0:
            customer = str(order["customer"])
            totals[customer] = totals.get(customer, 0) + int(order["cents"])
    return dict(sorted(totals.items()))
'''
_WITH_PANDAS = '''"""Adds up the orders of customers."""

import pandas as pd


def total_by_customer(orders: list[dict[str, str | int]]) -> dict[str, int]:
    """Cents by customer, of paid and open orders; customers in the order of their names."""
    if not orders:
        return {}
    table = pd.DataFrame(orders)
    kept = table[(table["state"] != "cancelled") & (table["cents"] > 0)]
    totals = kept.groupby("customer")["cents"].sum()
    return {str(customer): int(cents) for customer, cents in totals.items()}
'''
_TESTS = """import pytest
from customer_totals import total_by_customer


def order(customer, cents, state="paid"):
    return {"customer": customer, "cents": cents, "state": state}


@pytest.mark.parametrize(
    ("orders", "totals"),
    [
        ([], {}),
        ([order("b", 3)], {"b": 3}),
        ([order("b", 3), order("a", 5)], {"a": 5, "b": 3}),
        ([order("a", 3), order("a", 5), order("b", 1)], {"a": 8, "b": 1}),
        ([order("a", 3, "cancelled")], {}),
        ([order("a", 0), order("b", 1)], {"b": 1}),
        ([order("a", 3, "cancelled"), order("a", 4)], {"a": 4}),
        ([order("a", 3, "open"), order("a", 4, "paid")], {"a": 7}),
    ],
)
def test_totals(orders, totals):
    assert total_by_customer(orders) == totals


def test_order_of_customers():
    assert list(total_by_customer([order("c", 1), order("a", 1), order("b", 1)])) == ["a", "b", "c"]
"""
_ORDER = {
    "type": "object",
    "properties": {
        "customer": {"type": "string", "pattern": "^[a-z]{1,4}$"},
        "cents": {"type": "integer", "minimum": 0, "maximum": 10**6},
        "state": {"type": "string", "enum": ["open", "paid", "cancelled"]},
    },
    "required": ["customer", "cents", "state"],
    "additionalProperties": False,
}
_CONTRACT = {
    "contract": 2,
    "family": "bench",
    "name": _NAME,
    "version": "1.0.0",
    "entrypoints": [
        {
            "call": "total_by_customer",
            "summary": "Cents by customer.",
            "input": {
                "type": "object",
                "properties": {"orders": {"type": "array", "items": _ORDER, "maxItems": 6}},
                "required": ["orders"],
                "additionalProperties": False,
            },
            "output": {"type": "object", "additionalProperties": {"type": "integer", "minimum": 0}},
            "raises": [],
            "examples": [],
        }
    ],
}


def measure_packages(runs: int) -> float:
    """Seconds of the block with pandas over those of the plain one, each the median of ``runs``."""
    plain = Candidate("bench", _NAME, _PLAIN, _TESTS, json.dumps(_CONTRACT))
    packages = environments.build(_PINS.read_text().replace("\\\n", " ").splitlines())
    with_pandas = replace(plain, module=_WITH_PANDAS, environment=packages)
    return round(_measure_seconds(with_pandas, runs) / _measure_seconds(plain, runs), 2)


def _measure_seconds(candidate: Candidate, runs: int) -> float:
    seconds = []
    for _ in range(runs):
        began = time.monotonic()
        reports = run_gates(candidate, Policy())
        seconds.append(time.monotonic() - began)
        if not judge_reports(reports, Policy()):
            said = [f"{report.gate}: {report.summary} {report.feedback}" for report in reports]
            raise SystemExit(f"{candidate.name} did not pass: {said}")
    return median(seconds)
