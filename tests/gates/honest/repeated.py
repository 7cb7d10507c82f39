"""Judges a block five times at once, which is a busy machine."""

from concurrent.futures import ThreadPoolExecutor

from gates.base import Candidate, GateReport, Policy, Verdict
from gates.runner import run_gates

RUNS = 5


def judge_at_once(candidate: Candidate, policy: Policy) -> list[tuple[GateReport, ...]]:
    """The reports of ``RUNS`` runs side by side: on two processors each has a fifth of what it could use."""
    with ThreadPoolExecutor(RUNS) as threads:
        return list(threads.map(lambda _: run_gates(candidate, policy), range(RUNS)))


def list_refusals(reports: tuple[GateReport, ...]) -> dict[str, str]:
    """Gate to what it says, of those that did not pass."""
    return {
        report.gate: f"{report.summary}\n{report.feedback}"
        for report in reports
        if report.verdict is not Verdict.PASSED
    }
