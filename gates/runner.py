"""Runs gates over a candidate, judges their reports, and says to the implementer what to mend."""

import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from gates.base import Candidate, GateReport, Policy, Verdict
from gates.harness_job import BlockNotMeasurable, HarnessFailed
from gates.registry import GATES
from gates.sandbox import SandboxUnavailable

FEEDBACK_BYTES = 8 << 10
_ALONE = frozenset({"coverage", "mutation"})  # these use every core by themselves
DEFAULT_GATES = ("contract", "coverage", "mutation", "security")


def run_gates(
    candidate: Candidate, policy: Policy, names: Sequence[str] = DEFAULT_GATES
) -> tuple[GateReport, ...]:
    """Run the named gates; reports come in the order of ``names``. Whatever happens, every name gets a report.

    The light gates run side by side first, the heavy ones after them.
    """
    light = [name for name in names if name not in _ALONE]
    with ThreadPoolExecutor(max_workers=max(1, len(light))) as threads:
        reports = dict(
            zip(light, threads.map(lambda name: run_gate(name, candidate, policy), light), strict=True)
        )
    for name in names:
        if name not in reports:
            reports[name] = run_gate(name, candidate, policy)
    return tuple(reports[name] for name in names)


def run_gate(name: str, candidate: Candidate, policy: Policy) -> GateReport:
    """Run one gate. An unknown gate, a crash, a missing tool or sandbox is ``errored``, never an exception."""
    started = time.monotonic()
    report = _checked(name, candidate, policy)
    return replace(report, seconds=round(time.monotonic() - started, 3))


def _checked(name: str, candidate: Candidate, policy: Policy) -> GateReport:
    gate = GATES.get(name)
    if gate is None:
        return _errored(name, f"there is no gate named {name!r}", f"Use one of {', '.join(GATES)}.")
    try:
        return gate.check(candidate, policy)
    except BlockNotMeasurable as reason:
        message = str(reason)
        cure = "Make the module import and its tests end by themselves, then retry."
        return GateReport(
            name, Verdict.FAILED, f"could not be judged: {message}"[:500], feedback=message[:3000], cure=cure
        )
    except HarnessFailed as reason:
        cure = "Code that ends its process or never returns gives no result: mend that; if the block is sound, tell the operator."
        return _errored(name, str(reason), cure)
    except SandboxUnavailable as reason:
        return replace(_errored(name, f"{reason.code}: {reason}", reason.cure), details={"code": reason.code})
    except Exception as error:  # noqa: BLE001 - the outermost edge: a gate that crashes must not pass
        return _errored(
            name,
            f"the gate crashed: {type(error).__name__}: {error}",
            "Report this to the operator; it is not the block's fault.",
        )


def _errored(name: str, message: str, cure: str) -> GateReport:
    return GateReport(name, Verdict.ERRORED, message[:1000], feedback="", cure=cure)


def judge_reports(reports: Iterable[GateReport], policy: Policy) -> bool:
    """Whether a block may go on.

    ``strict``: every report passed, and there is one. ``advisory``: the gates were asked, whatever they said; a block that goes
    on like this is not verified. ``off``: always.
    """
    reports = tuple(reports)
    match policy.mode:
        case "off":
            return True
        case "advisory":
            return bool(reports)
        case _:
            return bool(reports) and all(report.verdict is Verdict.PASSED for report in reports)


def compose_feedback(reports: Iterable[GateReport]) -> str:
    """What the implementer is told: at most 8 KB of UTF-8, shared fairly among the gates that did not pass."""
    failed = [report for report in reports if report.verdict is not Verdict.PASSED]
    if not failed:
        return ""
    parts = [
        f"## {report.gate}: {report.summary}\n{report.feedback}\nTo do: {report.cure}\n" for report in failed
    ]
    room = FEEDBACK_BYTES
    kept: dict[int, str] = {}
    # The short ones first: what they leave goes to the long ones.
    for left, index in enumerate(sorted(range(len(parts)), key=lambda index: len(parts[index].encode()))):
        share = room // (len(parts) - left)
        kept[index] = _cut(parts[index], share)
        room -= len(kept[index].encode())
    return "".join(kept[index] for index in range(len(parts)))


def _cut(text: str, size: int) -> str:
    data = text.encode("utf-8", "replace")
    if len(data) <= size:
        return data.decode()
    mark = "\n[cut]\n"
    return data[: max(0, size - len(mark))].decode("utf-8", "ignore") + mark
