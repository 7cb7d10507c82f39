"""The contract gate: the block does what its ``contract.json`` says, for examples and for drawn inputs."""

import json
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from gates.allowlist import find_capability_uses
from gates.base import CONTRACT_PATH, Candidate, Finding, GateReport, Policy, Verdict
from gates.candidate import list_declared_capabilities, parse_contract
from gates.contract_checks import (
    expand_entry_points,
    find_broken_promises,
    find_objections,
    find_unkept_examples,
)
from gates.contract_promises import Promises
from gates.errors import BlockNotMeasurable
from gates.harness.conditions import CONDITIONS
from gates.harness.json_schema import admits
from gates.harness.task import HarnessRequest
from gates.harness_job import run_harness
from gates.measurements import Breach, ContractMeasurement, EntryPointMeasurement, parse_contract_calls
from gates.reach import find_reached_capabilities
from gates.repo_files import list_importable_modules
from gates.score import compute_percentage
from gates.shown_inputs import list_shown_inputs

_CURE = "Fix schema or implementation, then retry."
# One in so many of the different inputs ends in a result, or the contract promises little but failures.
_RESULT_SHARE = 10
# Where drawn inputs hardly ever have one, as with signatures and checksums, so many examples show it instead.
_ENOUGH_EXAMPLES = 5
# Where a schema admits many inputs, its precondition leaves more than a few, drawn or in examples.
_FEWEST_INPUTS, _MANY_INPUTS = 5, 30
# A schema of few inputs is too narrow where tests call with so many others.
_SHOWN_BESIDE = 3
_NOTHING_MEASURED = ContractMeasurement()


class ContractGate:
    """Schema soundness, literal examples, 200 drawn inputs, and what the previous version promised."""

    name = "contract"

    def plan_request(self, candidate: Candidate) -> HarnessRequest | None:
        """What the harness will be asked for; nothing where the contract is not sound."""
        contract = parse_contract(candidate)
        if contract is None or find_objections(candidate, contract):
            return None
        calls = _list_calls(candidate, contract, _parse_previous(candidate.previous_contract))
        return HarnessRequest(self.name, tuple(calls))

    def check(self, candidate: Candidate, policy: Policy) -> GateReport:
        contract = parse_contract(candidate)
        # Nothing runs for a contract that is not sound.
        objections = find_objections(candidate, contract)
        if objections or contract is None:
            return self._report(objections, _NOTHING_MEASURED)
        previous = _parse_previous(candidate.previous_contract)
        entrypoints = _list_calls(candidate, contract, previous)
        try:
            measured = parse_contract_calls(run_harness(candidate, policy, "contract", entrypoints))
        # A module that cannot be called breaks its contract; the runner would only say "not judged".
        except BlockNotMeasurable as error:
            finding = Finding("not-usable", str(error), path=candidate.module_path)
            return self._report((finding,), _NOTHING_MEASURED)
        # From the text; the calls below hold the new version against the old one too.
        broken_promises = find_broken_promises(contract, previous)
        unshown = _find_unshown(candidate, contract, measured)
        unkept = find_unkept_examples(contract, candidate.planned_examples)
        return self._report(
            (
                *unkept,
                *unshown,
                *broken_promises,
                *_find_breaches(measured),
                *_find_narrow_inputs(candidate, contract, measured),
            ),
            measured,
            candidate,
        )

    def _report(
        self, findings: tuple[Finding, ...], measured: ContractMeasurement, candidate: Candidate | None = None
    ) -> GateReport:
        tried, breached = measured.tried, measured.breached
        if findings:
            summary = f"{len(findings)} breaches; first: {findings[0].message}"[:300]
        else:
            summary = f"{tried} calls kept the contract"
            if candidate and candidate.withdrawn_examples:
                summary += (
                    f"; {len(candidate.withdrawn_examples)} of the plan's examples withdrawn by the reviewer"
                )
        listed = [{"rule": finding.rule, "message": finding.message} for finding in findings]
        # Signed with the rest: what another hand than the implementer's asked of the block, word for word.
        planned = list(candidate.planned_examples) if candidate else []
        withdrawn = list(candidate.withdrawn_examples) if candidate else []
        evidence = {
            "tried": tried,
            "breached": breached,
            "findings": listed,
            "planned_examples": planned,
            "withdrawn_examples": withdrawn,
        }
        return GateReport(
            gate=self.name,
            verdict=Verdict.FAILED if findings else Verdict.PASSED,
            summary=summary,
            score=compute_percentage(tried - breached, tried) if tried else Decimal(0),
            threshold=Decimal(100),
            findings=findings,
            evidence={CONTRACT_PATH: json.dumps(evidence, indent=1).encode()},
            details={
                "tried": tried,
                "breached": breached,
                "entrypoints": [entry.call for entry in measured.entry_points],
            },
            feedback="\n".join(f"- {finding.message}" for finding in findings[:10]),
            cure=_CURE if findings else "",
        )


def _list_calls(
    candidate: Candidate, contract: Mapping[str, Any], previous: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """The entry points, each with what the previous version promised of it and its conditions."""
    earlier = {entry["call"]: entry for entry in expand_entry_points(previous)}
    calls = expand_entry_points(contract, candidate.planned_examples)
    conditions = _choose_conditions(candidate, calls)
    return [
        {**entry, "previous": earlier.get(entry["call"]), "conditions": conditions[entry["call"]]}
        for entry in calls
    ]


def _parse_previous(text: str | None) -> dict[str, Any]:
    """The previous contract; empty where there is none.

    It was verified once, so it is an object. Anything else is an internal error, and errs.
    """
    return dict(json.loads(text)) if text else {}


def _find_breaches(measured: ContractMeasurement) -> list[Finding]:
    found = []
    for entry in measured.entry_points:
        # An entry point that always raises what it may would keep every contract.
        if not entry.normal:
            message = f"{entry.call}: no valid input ended in a result, so nothing shows that it works"
            found.append(Finding("no-result", message))
        elif entry.results * _RESULT_SHARE < entry.distinct and entry.example_results < _ENOUGH_EXAMPLES:
            shown = f"only {entry.results} of {entry.distinct} different valid inputs end in a result"
            cure = f"tighten the input schema, add requires, or give {_ENOUGH_EXAMPLES} examples that do"
            message = f"{entry.call}: {shown}; {cure}"
            found.append(Finding("few-results", message))
        if entry.distinct + entry.examples < _FEWEST_INPUTS and entry.admitted >= _MANY_INPUTS:
            message = f"{entry.call}: requires leaves {entry.distinct} of many inputs that the schema admits"
            found.append(Finding("narrow-requires", f"{message}; promise more, or tighten the schema"))
        if not entry.drawn:
            message = f"{entry.call}: no valid input can be drawn from its schema; simplify it"
            found.append(Finding("no-inputs", message))
        found += [_breach_finding(entry, breach) for breach in entry.breaches]
    return found


def _find_narrow_inputs(
    candidate: Candidate, contract: Mapping[str, Any], measured: ContractMeasurement
) -> list[Finding]:
    """Entry points that promise a few inputs, while the tests show that the code takes more."""
    schemas = {entry["call"]: entry["input"] for entry in contract["entrypoints"]}
    found = []
    for entry in measured.entry_points:
        if entry.admitted >= _MANY_INPUTS:
            continue
        shown_inputs = list_shown_inputs(candidate, entry.call)
        refused = [each for each in shown_inputs if not admits(schemas[entry.call], each)]
        if len({repr(each) for each in refused}) >= _SHOWN_BESIDE:
            shown = json.dumps(refused[0], default=str)[:120]
            message = f"{entry.call}: the tests show inputs that the schema does not admit, such as {shown}"
            found.append(Finding("narrow-input", f"{message}; promise them too", path=CONTRACT_PATH))
    return found


def _find_unshown(
    candidate: Candidate, contract: Mapping[str, Any], measured: ContractMeasurement
) -> list[Finding]:
    """For a contract of version 1, what the calls raised shows its exceptions too."""
    promises = Promises.read(candidate)
    raised = {entry.call: entry.raised for entry in measured.entry_points}
    found = []
    for entry in contract["entrypoints"]:
        unshown = promises.find_unshown(entry, raised.get(entry["call"], frozenset()))
        found += [Finding(rule, message, path=CONTRACT_PATH) for rule, message in unshown]
    return found


def _choose_conditions(
    candidate: Candidate, calls: Iterable[Mapping[str, Any]]
) -> dict[str, tuple[str, ...]]:
    """What the results of each call must not depend on: all but the declared capabilities that it uses."""
    declared = list_declared_capabilities(candidate)
    sources = tuple(candidate.modules.values())
    own = {candidate.name, *candidate.private_modules, *list_importable_modules(candidate)}
    uses = {source: find_capability_uses(source, own) if declared else () for source in sources}
    found = {}
    for entry in calls:
        call = entry["call"]
        used = declared & find_reached_capabilities(sources, uses, call)
        # What draws ends otherwise each time, and sometimes the same by chance.
        found[call] = tuple(name for name in CONDITIONS if name not in used and "randomness" not in used)
    return found


def _breach_finding(entry: EntryPointMeasurement, breach: Breach) -> Finding:
    arguments = json.dumps(breach.arguments, ensure_ascii=False)[:300]
    # Drawn text may hold a lone surrogate, which no database stores.
    arguments = arguments.encode("utf-8", "replace").decode()
    return Finding(f"{breach.kind}-breach", f"{entry.call}({arguments}): {breach.reason}")


gate = ContractGate()
