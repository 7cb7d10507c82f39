"""No hostile block gets past any of the gates that are there to see it."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.conf import LazySettings

from gates.base import Policy, Verdict
from gates.runner import judge_reports, run_gate
from tests.gates.adversarial.hostile import HOSTILE, SECURITY, Hostile

POLICY = Policy(wall_seconds=12)
EVERY = pytest.mark.parametrize("hostile", HOSTILE, ids=lambda hostile: hostile.name)


def test_there_are_enough_and_each_has_its_own_name() -> None:
    assert len({hostile.name for hostile in HOSTILE}) == len(HOSTILE) >= 40


def _refuse(hostile: Hostile, gates: tuple[str, ...]) -> None:
    with ThreadPoolExecutor(len(gates)) as threads:
        reports = list(threads.map(lambda gate: run_gate(gate, hostile.candidate, POLICY), gates))

    assert {report.gate: report.verdict for report in reports if report.verdict is Verdict.PASSED} == {}
    assert not judge_reports(reports, POLICY)
    assert [report.summary for report in reports if "crashed" in report.summary] == []
    assert all(report.cure for report in reports)


@EVERY
def test_every_gate_that_should_refuse_a_hostile_block_refuses_it(hostile: Hostile) -> None:
    _refuse(hostile, hostile.refused_by)


@pytest.mark.slow
@EVERY
def test_the_second_backend_helps_no_hostile_block(
    hostile: Hostile, second_backend: str, settings: LazySettings
) -> None:
    """What only reads a block knows no backend: it is asked again where nothing else has to refuse."""
    settings.SANDBOX_BACKEND = second_backend
    _refuse(hostile, tuple(gate for gate in hostile.refused_by if gate != SECURITY) or hostile.refused_by)
