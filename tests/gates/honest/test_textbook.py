"""Small correct functions pass, at any size and under load."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from gates.base import GateReport, Policy, Verdict
from gates.runner import run_gates
from tests.gates.honest.textbook import TEXTBOOK, Textbook

EVERY = pytest.mark.parametrize("textbook", TEXTBOOK, ids=lambda textbook: textbook.name)
# The default suite has no time for all.
_SAMPLE = TEXTBOOK[::13]


@contextlib.contextmanager
def _busy_machine() -> Iterator[None]:
    """Two endless loops for each core."""
    command = [sys.executable, "-I", "-c", "while True: pass"]
    loops = [subprocess.Popen(command) for _ in range(2 * (os.cpu_count() or 1))]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


def _judge(textbook: Textbook) -> tuple[GateReport, ...]:
    return run_gates(textbook.to_candidate(), Policy())


def _list_refusals(reports: tuple[GateReport, ...]) -> dict[str, str]:
    return {
        report.gate: f"{report.summary}\n{report.feedback}"
        for report in reports
        if report.verdict is not Verdict.PASSED
    }


def test_there_are_enough_and_each_has_its_own_name() -> None:
    assert len({textbook.name for textbook in TEXTBOOK}) == len(TEXTBOOK) >= 50


@pytest.mark.parametrize("textbook", _SAMPLE, ids=lambda textbook: textbook.name)
def test_a_small_correct_function_passes(textbook: Textbook) -> None:
    assert _list_refusals(_judge(textbook)) == {}


@pytest.mark.slow
@pytest.mark.timeout(900)
@EVERY
def test_every_small_correct_function_gets_the_same_verdict_five_times_under_load(textbook: Textbook) -> None:
    with _busy_machine():
        verdicts = [_list_refusals(_judge(textbook)) for _ in range(5)]

    assert verdicts == [{}] * 5
