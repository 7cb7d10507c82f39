"""The gates judge every round of every sample as its scenario says."""

import json
from pathlib import Path

import pytest

from gates.base import Candidate, Policy, Verdict
from gates.runner import DEFAULT_GATES, run_gates
from tests.samples.scenario_files import NAMES, Sample, sample

ROUNDS = [(name, number) for name in NAMES for number in range(1, len(sample(name).answers("implement")) + 1)]
# All of them take minutes: the default suite judges one in nine.
SAMPLED = [
    pytest.param(*each, marks=() if place % 9 == 0 else pytest.mark.slow, id=f"{each[0]}-{each[1]}")
    for place, each in enumerate(ROUNDS)
]


def _make_candidate(one: Sample, folder: Path) -> Candidate:
    name, repo = one.block, one.folder / "repo"
    files = {
        path.relative_to(repo).as_posix(): path.read_bytes() for path in repo.rglob("*") if path.is_file()
    }
    contract = (folder / "contract.json").read_text(encoding="utf-8")
    return Candidate(
        one.scenario["family"],
        name,
        (folder / f"{name}.py").read_text(encoding="utf-8"),
        (folder / f"test_{name}.py").read_text(encoding="utf-8"),
        contract,
        repo_files=files,
        planned_capabilities=frozenset(json.loads(contract).get("capabilities", {})),
    )


def _list_failing(one: Sample, number: int) -> set[str]:
    """The automatic gates that the scenario says refuse a round."""
    repairs = one.scenario.get("repairs", {})
    is_last = number == len(one.answers("implement"))
    if one.scenario["expect"] == "passed" and (is_last or repairs.get("gate") not in DEFAULT_GATES):
        return set()
    return {repairs["gate"]} if repairs else {"contract"}


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize(("name", "number"), SAMPLED)
def test_a_round_is_refused_by_the_gate_that_the_scenario_names(name: str, number: int) -> None:
    """Lines that no test runs have mutants that no test notices, so coverage may bring mutation with it."""
    one = sample(name)
    candidate = _make_candidate(one, one.answers("implement")[number - 1])

    reports = run_gates(candidate, Policy())

    refused = {
        report.gate: f"{report.summary}\n{report.feedback}"
        for report in reports
        if report.verdict is not Verdict.PASSED
    }
    expected = _list_failing(one, number)
    allowed = expected | ({"mutation"} if "coverage" in expected else set())
    assert expected <= refused.keys() <= allowed, refused
