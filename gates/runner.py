"""Runs gates and judges their reports. (Interface; the implementation lands with the gates.)"""

from collections.abc import Sequence

from gates.base import Candidate, GateReport, Policy, Verdict

DEFAULT = ("contract", "coverage", "mutation", "security")


def run(candidate: Candidate, policy: Policy, names: Sequence[str]) -> tuple[GateReport, ...]:
    """One report for each of ``names``."""
    return tuple(GateReport(name, Verdict.ERRORED, "The gates are not built yet.") for name in names)


def judge(reports: Sequence[GateReport], policy: Policy) -> bool:
    """Whether a block may go on."""
    if policy.mode == "advisory":
        return bool(reports) and all(report.verdict is not Verdict.ERRORED for report in reports)
    return bool(reports) and all(report.verdict is Verdict.PASSED for report in reports)


def feedback(reports: Sequence[GateReport]) -> str:
    """What the implementer is told."""
    return "\n\n".join(report.feedback for report in reports if report.verdict is not Verdict.PASSED and report.feedback)
