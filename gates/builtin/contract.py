"""The contract gate: the block does what its ``contract.json`` says, for examples and for inputs that we draw."""

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from gates.base import Candidate, Finding, GateReport, Policy, Verdict
from gates.candidate import parse_contract
from gates.contract_checks import find_broken_promises, find_objections
from gates.harness_job import BlockNotMeasurable, run_harness

_CURE = "Fix schema or implementation, then retry."


class ContractGate:
    """Schema soundness, literal examples, 200 drawn inputs, and what the previous version promised."""

    name = "contract"

    def check(self, candidate: Candidate, policy: Policy) -> GateReport:
        contract = parse_contract(candidate)
        found = find_objections(candidate, contract)
        if found or contract is None:
            return self._report(found, {})
        previous = _parsed(candidate.previous_contract)
        gone = find_broken_promises(contract, previous)
        older = {entry["call"]: entry for entry in previous.get("entrypoints", [])}
        entrypoints = [{**entry, "previous": older.get(entry["call"])} for entry in contract["entrypoints"]]
        try:
            measured = run_harness(candidate, policy, "contract", {"entrypoints": entrypoints})
        except BlockNotMeasurable as reason:
            return self._report((Finding("not-usable", str(reason), path=f"{candidate.name}.py"),), {})
        return self._report((*gone, *_breaches(measured)), measured)

    def _report(self, found: tuple[Finding, ...], measured: Mapping[str, Any]) -> GateReport:
        tried = measured.get("tried", 0)
        breached = sum(entry["breached"] for entry in measured.get("entrypoints", []))
        score = (
            (Decimal(100) * (tried - min(breached, tried)) / tried).quantize(Decimal("0.01"))
            if tried
            else Decimal(0)
        )
        plain = [{"rule": finding.rule, "message": finding.message} for finding in found]
        return GateReport(
            gate=self.name,
            verdict=Verdict.FAILED if found else Verdict.PASSED,
            summary=f"{len(found)} breaches; first: {found[0].message}"[:300]
            if found
            else f"{tried} calls kept the contract",
            score=score,
            threshold=Decimal(100),
            findings=found,
            evidence={
                "contract.json": json.dumps(
                    {"tried": tried, "breached": breached, "findings": plain}, indent=1
                ).encode()
            },
            details={
                "tried": tried,
                "breached": breached,
                "entrypoints": [entry["call"] for entry in measured.get("entrypoints", [])],
            },
            feedback="\n".join(f"- {finding.message}" for finding in found[:10]),
            cure=_CURE if found else "",
        )


def _parsed(text: str | None) -> dict[str, Any]:
    """The previous contract was verified once, so it is an object; anything else is our fault and errs."""
    return dict(json.loads(text)) if text else {}


def _breaches(measured: Mapping[str, Any]) -> tuple[Finding, ...]:
    found = []
    for entry in measured["entrypoints"]:
        if not entry["normal"]:
            found.append(
                Finding(
                    "no-result",
                    f"{entry['call']}: no valid input ended in a result, so nothing shows that it works",
                )
            )
        if not entry["drawn"]:
            found.append(
                Finding(
                    "no-inputs", f"{entry['call']}: no valid input can be drawn from its schema; simplify it"
                )
            )
        for breach in entry["breaches"]:
            shown = json.dumps(breach["input"], ensure_ascii=False)[:300]
            found.append(Finding(f"{breach['kind']}-breach", f"{entry['call']}({shown}): {breach['why']}"))
    return tuple(found)
