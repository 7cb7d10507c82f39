"""No honest block is refused, and each gets the same verdict every time."""

from pathlib import Path

import pytest
from django.conf import LazySettings

from gates.allowlist import CAPABILITIES
from gates.base import Candidate, Policy, Verdict
from gates.builtin.security import check_allowlist
from gates.candidate import list_declared_capabilities, parse_contract
from gates.contract_checks import find_objections
from gates.runner import judge_reports, run_gates

# What the organisation allows; a block still has to declare what it uses.
POLICY = Policy(capabilities=frozenset(CAPABILITIES))
FOLDERS = sorted(path for path in (Path(__file__).parent / "honest").iterdir() if path.is_dir())


def load_block(folder: Path) -> Candidate:
    """The block in ``folder``."""
    name = folder.name
    module, tests, contract = (
        (folder / path).read_text(encoding="utf-8")
        for path in (f"{name}.py", f"test_{name}.py", "contract.json")
    )
    private = {path.stem: path.read_text(encoding="utf-8") for path in folder.glob(f"{name}_*.py")}
    return Candidate("honest", name, module, tests, contract, private_modules=private)


# All of them take minutes: the default suite judges some, the slow suite all, and some of them often.
SAMPLE, REPEATED = FOLDERS[::20], FOLDERS[1::5]


def test_there_are_enough_kinds() -> None:
    assert len(FOLDERS) >= 36


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_the_text_of_an_honest_block_is_not_refused(folder: Path) -> None:
    candidate = load_block(folder)
    contract = parse_contract(candidate)

    assert check_allowlist(candidate, list_declared_capabilities(candidate)) == []
    assert find_objections(candidate, contract) == ()


@pytest.mark.parametrize(
    "folder",
    [pytest.param(path, marks=() if path in SAMPLE else pytest.mark.slow) for path in FOLDERS],
    ids=lambda folder: folder.name,
)
def test_an_honest_block_passes(folder: Path) -> None:
    reports = run_gates(load_block(folder), POLICY)

    refused = {
        report.gate: (report.summary, report.feedback)
        for report in reports
        if report.verdict is not Verdict.PASSED
    }
    assert refused == {}
    assert judge_reports(reports, POLICY)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("folder", REPEATED, ids=lambda folder: folder.name)
def test_an_honest_block_is_judged_the_same_five_times(
    folder: Path, other_backends: list[str], settings: LazySettings
) -> None:
    """Three times in the backend in force, twice in another: verdicts, scores and findings are the same."""
    candidate, runs = load_block(folder), []
    others = other_backends
    # Landlock gives a job no network of its own.
    if "network" in list_declared_capabilities(candidate):
        others = [name for name in others if name != "linux-landlock"] or pytest.skip("no second network")

    for name in (*[settings.SANDBOX_BACKEND] * 3, *[others[-1]] * 2):
        settings.SANDBOX_BACKEND = name
        runs.append(
            [
                (report.gate, report.verdict, report.score, report.findings)
                for report in run_gates(candidate, POLICY)
            ]
        )

    assert {verdict for _, verdict, _, _ in runs[0]} == {Verdict.PASSED}
    assert runs == [runs[0]] * 5
