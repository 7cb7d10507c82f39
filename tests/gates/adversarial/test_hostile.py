"""No hostile block gets past any of the gates that are there to see it."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from gates.base import Policy, Verdict
from gates.runner import check, judge
from tests.gates.adversarial.hostile import HOSTILE, Hostile

POLICY = Policy(wall_seconds=12)


def test_there_are_enough_and_each_has_its_own_name() -> None:
    assert len({hostile.name for hostile in HOSTILE}) == len(HOSTILE) >= 40


@pytest.mark.parametrize("hostile", HOSTILE, ids=lambda hostile: hostile.name)
def test_every_gate_that_should_refuse_a_hostile_block_refuses_it(hostile: Hostile) -> None:
    with ThreadPoolExecutor(len(hostile.refused_by)) as threads:
        reports = list(threads.map(lambda gate: check(gate, hostile.candidate, POLICY), hostile.refused_by))

    assert {report.gate: report.verdict for report in reports if report.verdict is Verdict.PASSED} == {}
    assert not judge(reports, POLICY)
    assert [report.summary for report in reports if "crashed" in report.summary] == []
    assert all(report.cure for report in reports)
