"""No honest block is refused, and none is judged otherwise another time."""

import json
from pathlib import Path

import pytest

from gates.base import Candidate, Policy, Verdict
from gates.runner import judge, run

FOLDERS = sorted(path for path in (Path(__file__).parent / "honest").iterdir() if path.is_dir())


def _load(folder: Path) -> Candidate:
    name = folder.name
    texts = [(folder / path).read_text(encoding="utf-8") for path in (f"{name}.py", f"test_{name}.py", "contract.json")]
    return Candidate("honest", name, *texts)


def test_there_are_enough_kinds() -> None:
    assert len(FOLDERS) >= 12


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_an_honest_block_passes(folder: Path) -> None:
    reports = run(_load(folder), Policy())

    refused = {report.gate: (report.summary, report.feedback) for report in reports if report.verdict is not Verdict.PASSED}
    assert refused == {}
    assert judge(reports, Policy())


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_an_honest_block_is_judged_the_same_five_times(folder: Path) -> None:
    candidate = _load(folder)

    seen = {
        json.dumps([(report.gate, report.verdict, str(report.score)) for report in run(candidate, Policy())]) for _ in range(5)
    }

    assert len(seen) == 1
