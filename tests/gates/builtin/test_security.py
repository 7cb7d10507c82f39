"""The security gate: what a contract declares, what is allowed, and what is used."""

import json
from dataclasses import replace

from gates.base import Candidate, Policy, Verdict
from gates.builtin.security import check_allowlist, gate
from tests.gates.blocks import CONTRACT, MODULE, SOUND

WAITS = MODULE.replace('"""Shipping fees."""\n', '"""Shipping fees."""\n\nimport time\n').replace(
    "    if express", "    time.sleep(0)\n    if express"
)


def _declare(module: str, **reasons: str) -> Candidate:
    return replace(SOUND, module=module, contract=json.dumps({**CONTRACT, "capabilities": reasons}))


def test_a_capability_is_declared_and_allowed_or_refused() -> None:
    waiting = _declare(WAITS, clock="waits for the scales")
    allowed = Policy(capabilities=frozenset({"clock"}))

    report = gate.check(waiting, allowed)
    assert (report.verdict, report.feedback) == (Verdict.PASSED, "")
    # The page of the block, its evidence and the reviewer show this.
    assert report.summary.endswith("; may use clock (waits for the scales)")
    assert report.details["capabilities"] == {"clock": "waits for the scales"}

    assert gate.check(waiting, Policy()).verdict is Verdict.FAILED
    assert gate.check(_declare(WAITS), allowed).verdict is Verdict.FAILED


def test_a_capability_that_nothing_uses_is_a_remark() -> None:
    (found,) = check_allowlist(_declare(MODULE, network="for later"), frozenset({"network"}))

    assert (found.severity, found.message) == ("warning", "the module declares network and does not use it")
