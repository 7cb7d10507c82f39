"""Blocks as an organisation writes them pass."""

import pytest

from gates.allowlist import CAPABILITIES
from gates.base import Policy, Verdict
from gates.runner import run_gates
from tests.gates.honest.everyday import EVERYDAY
from tests.gates.honest.realistic import REALISTIC, Realistic

POLICY = Policy(capabilities=frozenset(CAPABILITIES))
# The default suite has no time for all.
BLOCKS = (*REALISTIC, *EVERYDAY)
_SAMPLE = BLOCKS[::11]


def test_each_has_its_own_name() -> None:
    assert len({realistic.name for realistic in BLOCKS}) == len(BLOCKS) >= 30


@pytest.mark.parametrize(
    "realistic",
    [pytest.param(each, marks=() if each in _SAMPLE else pytest.mark.slow) for each in BLOCKS],
    ids=lambda realistic: realistic.name,
)
def test_a_realistic_block_passes(realistic: Realistic) -> None:
    reports = run_gates(realistic.to_candidate(), POLICY)

    refused = {
        report.gate: f"{report.summary}\n{report.feedback}"
        for report in reports
        if report.verdict is not Verdict.PASSED
    }
    assert refused == {}
