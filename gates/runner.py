"""Runs gates over a candidate, judges their reports, and writes down for the implementer what to fix."""

import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import replace

from gates.base import Candidate, GateReport, Policy, Verdict
from gates.errors import BlockNotMeasurable
from gates.harness.task import HarnessRequest
from gates.harness_job import SharedHarness
from gates.registry import GATES
from gates.sandbox import SandboxUnavailable
from orchestrator.core import tracing
from orchestrator.core.errors import OrchestratorError

FEEDBACK_BYTES = 8 << 10
DEFAULT_GATES = ("contract", "coverage", "mutation", "security")
# Each of these uses every core; side by side they would time each other out.
_RUN_ALONE = frozenset({"coverage", "mutation"})
_CUT_MARK = "\n[cut]\n"


def run_gates(
    candidate: Candidate, policy: Policy, names: Sequence[str] = DEFAULT_GATES
) -> tuple[GateReport, ...]:
    """Run the named gates. Reports come in the order of ``names``, and every name gets one, in every case.

    The light gates run side by side first, the heavy ones one by one after them.
    """
    shared = SharedHarness(candidate, policy, _plan_requests(candidate, names))
    together = replace(candidate, shared_run=shared)
    light = [name for name in names if name not in _RUN_ALONE]
    heavy = [name for name in names if name in _RUN_ALONE]
    with ThreadPoolExecutor(max_workers=max(1, len(light))) as threads:
        # Threads suffice: the gates wait for other processes.
        light_reports = threads.map(
            # With the span that is current here, which a thread lacks. A context serves one thread at a time.
            lambda run, name: run(run_gate, name, together, policy),
            [copy_context().run for _ in light],
            light,
        )
        reports = dict(zip(light, light_reports, strict=True))
    for name in heavy:
        reports[name] = run_gate(name, together, policy)
    # The first gate waited for all of the shared run; each has taken only its part of it.
    for name, report in reports.items():
        seconds = shared.find_seconds(name)
        reports[name] = report if seconds is None else replace(report, seconds=seconds)
    return tuple(reports[name] for name in names)


def _plan_requests(candidate: Candidate, names: Iterable[str]) -> list[HarnessRequest]:
    """What the named gates will ask the harness for, light ones first."""
    requests = []
    for name in sorted(names, key=lambda name: name in _RUN_ALONE):
        plan = getattr(GATES.get(name), "plan_request", None) if name in GATES else None
        try:
            request = plan(candidate) if plan else None
        # The gate meets the same error by itself, and reports it.
        except Exception:  # noqa: BLE001, S112 - the outermost edge, as in _check_candidate
            continue
        if request is not None:
            requests.append(request)
    return requests


def run_gate(name: str, candidate: Candidate, policy: Policy) -> GateReport:
    """Run one gate.

    An unknown gate, a crash, a missing tool or sandbox is ``errored``, never an exception.
    """
    started = time.monotonic()
    with tracing.open_span(f"gate {name}") as span:
        report = _check_candidate(name, candidate, policy)
        span.set({"gate.name": name, "gate.verdict": report.verdict.value})
        if report.verdict is not Verdict.PASSED:
            span.fail(f"gate:{report.verdict.value}")
    return replace(report, seconds=round(time.monotonic() - started, 3))


def _check_candidate(name: str, candidate: Candidate, policy: Policy) -> GateReport:
    if name not in GATES:
        return _errored_report(name, f"there is no gate named {name!r}", f"Use one of {', '.join(GATES)}.")
    try:
        return GATES.get(name).check(candidate, policy)
    except BlockNotMeasurable as error:
        return GateReport(
            gate=name,
            verdict=Verdict.FAILED,
            summary=f"could not be judged: {error}"[:500],
            feedback=str(error)[:3000],
            cure=error.cure,
        )
    except SandboxUnavailable as error:
        report = _errored_report(name, f"{error.code}: {error}", error.cure)
        # The verify stage looks for this code: a flow that only lacks a sandbox waits instead of failing.
        return replace(report, details={"code": error.code})
    except OrchestratorError as error:
        return _errored_report(name, str(error), error.cure)
    except Exception as error:  # noqa: BLE001 - the outermost edge: a gate that crashes must not pass
        message = f"the gate crashed: {type(error).__name__}: {error}"
        return _errored_report(name, message, "Report this to the operator; it is not the block's fault.")


def _errored_report(name: str, message: str, cure: str) -> GateReport:
    return GateReport(name, Verdict.ERRORED, message[:1000], feedback="", cure=cure)


def judge_reports(reports: Iterable[GateReport], policy: Policy) -> bool:
    """Whether a block may continue.

    - ``strict``: there is at least one report, and all passed.
    - ``advisory``: there is at least one report, with any verdict. A block that continues like this is not
      verified.
    - ``off``: always.

    An unknown mode counts as ``strict``.
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
    """The text for the implementer: at most 8 KB of UTF-8, shared among the gates that did not pass."""
    failed = [report for report in reports if report.verdict is not Verdict.PASSED]
    if any(_has_failing_test(report) for report in failed):
        # Mutants say nothing while a test fails without any; its survivors and "flaky" would only mislead.
        failed = [report for report in failed if report.gate != "mutation"]
    # What stops one measurement of a block stops the others too: said once, by the first.
    distinct: dict[str, GateReport] = {}
    for report in failed:
        distinct.setdefault(report.feedback or report.gate, report)
    parts = [_describe_failure(report) for report in distinct.values()]
    sizes = [len(part.encode("utf-8", "replace")) for part in parts]
    shortest_first = sorted(range(len(parts)), key=sizes.__getitem__)
    room = FEEDBACK_BYTES
    # The short parts get their share first, and leave what they do not need to the long ones.
    for position, index in enumerate(shortest_first):
        share = room // (len(parts) - position)
        parts[index] = _shorten(parts[index], share)
        room -= len(parts[index].encode())
    return "".join(parts)


def _has_failing_test(report: GateReport) -> bool:
    rules = {finding.rule for finding in report.findings}
    return report.gate == "coverage" and any(rule.startswith(("test-", "collection")) for rule in rules)


def _describe_failure(report: GateReport) -> str:
    details = "" if report.feedback in report.summary else f"{report.feedback}\n"
    return f"## {report.gate}: {report.summary}\n{details}To do: {report.cure}\n"


def _shorten(text: str, size: int) -> str:
    """``text`` in at most ``size`` bytes of UTF-8, never cut inside a character."""
    data = text.encode("utf-8", "replace")
    if len(data) <= size:
        return data.decode()
    kept = max(0, size - len(_CUT_MARK))
    return data[:kept].decode("utf-8", "ignore") + _CUT_MARK
