"""Blocks as an organisation writes them pass, on a busy machine too."""

import pytest

from gates.allowlist import CAPABILITIES
from gates.base import Policy
from gates.runner import run_gates
from tests.gates.honest.everyday import EVERYDAY
from tests.gates.honest.realistic import REALISTIC, Realistic
from tests.gates.honest.repeated import RUNS, judge_at_once, list_refusals

POLICY = Policy(capabilities=frozenset(CAPABILITIES))
BLOCKS = (*REALISTIC, *EVERYDAY)
# The default suite has no time for all, and the slow one not for all of them five times: the benchmark has.
_SAMPLE, _REPEATED = BLOCKS[::16], BLOCKS[1::6]


def test_each_has_its_own_name() -> None:
    assert len({realistic.name for realistic in BLOCKS}) == len(BLOCKS) >= 30


@pytest.mark.parametrize(
    "realistic",
    [pytest.param(each, marks=() if each in _SAMPLE else pytest.mark.slow) for each in BLOCKS],
    ids=lambda realistic: realistic.name,
)
def test_a_realistic_block_passes(realistic: Realistic) -> None:
    assert list_refusals(run_gates(realistic.to_candidate(), POLICY)) == {}


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("realistic", _REPEATED, ids=lambda realistic: realistic.name)
def test_a_realistic_block_gets_the_same_verdict_five_times_at_once(realistic: Realistic) -> None:
    runs = judge_at_once(realistic.to_candidate(), POLICY)

    assert [list_refusals(reports) for reports in runs] == [{}] * RUNS
