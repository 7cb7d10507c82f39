"""No hostile block gets past any of the gates that are there to see it."""

import re
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.conf import LazySettings

from gates.base import Policy, Verdict
from gates.builtin.security import check_allowlist
from gates.candidate import find_problems
from gates.runner import judge_reports, run_gate
from tests.gates.adversarial.hostile import HOSTILE, SECURITY, Hostile
from tests.gates.adversarial.reaching import list_reaching

POLICY = Policy(wall_seconds=12)
REACHING = list_reaching()
READ = [hostile for hostile in HOSTILE if hostile.name in REACHING]
RUN = [hostile for hostile in HOSTILE if hostile not in READ]
# All of them take many minutes: the default suite runs one in twenty-four, the slow suite all.
SAMPLED = [
    pytest.param(hostile, marks=() if place % 24 == 0 else pytest.mark.slow, id=hostile.name)
    for place, hostile in enumerate(RUN)
]


def test_there_are_enough_and_each_has_its_own_name() -> None:
    assert len({hostile.name for hostile in HOSTILE}) == len(HOSTILE) >= 180


def _refuse(hostile: Hostile, gates: tuple[str, ...]) -> None:
    with ThreadPoolExecutor(len(gates)) as threads:
        reports = list(threads.map(lambda gate: run_gate(gate, hostile.candidate, POLICY), gates))

    assert {report.gate: report.verdict for report in reports if report.verdict is Verdict.PASSED} == {}
    assert not judge_reports(reports, POLICY)
    assert [report.summary for report in reports if "crashed" in report.summary] == []
    assert all(report.cure for report in reports)


@pytest.mark.parametrize("hostile", READ, ids=lambda hostile: hostile.name)
def test_the_text_alone_betrays_a_block_that_reaches_out(hostile: Hostile) -> None:
    """Without the scanners, which would only repeat it."""
    problems = find_problems(hostile.candidate) or check_allowlist(hostile.candidate, frozenset())

    assert problems
    assert all(finding.line for finding in problems)
    # The reason, and what to write instead.
    assert all(re.search(r"[;:] ", finding.message) for finding in problems)


@pytest.mark.parametrize("hostile", SAMPLED)
def test_every_gate_that_should_refuse_a_hostile_block_refuses_it(hostile: Hostile) -> None:
    _refuse(hostile, hostile.refused_by)


@pytest.mark.slow
@pytest.mark.parametrize("hostile", READ[::6], ids=lambda hostile: hostile.name)
def test_the_whole_security_gate_refuses_what_reaches_out(hostile: Hostile) -> None:
    _refuse(hostile, hostile.refused_by)


@pytest.mark.slow
@pytest.mark.parametrize("hostile", RUN[1::4], ids=lambda hostile: hostile.name)
def test_another_backend_helps_no_hostile_block(
    hostile: Hostile, other_backends: list[str], settings: LazySettings
) -> None:
    """What only reads a block knows no backend."""
    settings.SANDBOX_BACKEND = other_backends[-1]
    _refuse(hostile, tuple(gate for gate in hostile.refused_by if gate != SECURITY) or hostile.refused_by)
