"""The security gate: what a contract declares, what is allowed, and what is used."""

import json
from dataclasses import replace

import pytest

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


def test_a_capability_that_the_plan_does_not_ask_for_is_refused() -> None:
    waiting = _declare(WAITS, clock="waits for the scales")
    allowed = Policy(capabilities=frozenset({"clock"}))

    planned = replace(waiting, planned_capabilities=frozenset({"clock"}))
    assert gate.check(planned, allowed).verdict is Verdict.PASSED

    report = gate.check(replace(waiting, planned_capabilities=frozenset()), allowed)
    rules = {finding.rule for finding in report.findings if finding.severity == "error"}
    assert rules == {"allowlist-unplanned-capability", "allowlist-capability"}


@pytest.mark.parametrize(
    ("text", "is_outside"),
    [
        ("~/.ssh/id_rsa", True),
        ("~ann/x", True),
        ("/etc/passwd", True),
        ("/home/ann/.aws", True),
        ("/proc/self/environ", True),
        ("$HOME/x", True),
        ("C:\\Users\\ann", True),
        ("~", False),
        ("/orders/7", False),
        ("https://example.org/etc/x", False),
        ("see /etc/passwd", False),
        ("notes/today.txt", False),
    ],
)
def test_a_path_out_of_the_folder_is_an_error_where_files_are_allowed(text: str, is_outside: bool) -> None:
    module = f"{MODULE}\n\nPLACE = {text!r}\n"
    files = frozenset({"files:read"})

    def list_severities(candidate: Candidate, capabilities: frozenset[str]) -> list[str]:
        found = check_allowlist(candidate, capabilities)
        return [finding.severity for finding in found if finding.rule == "allowlist-path"]

    expected = int(is_outside)
    assert list_severities(_declare(module), frozenset()) == ["note"] * expected
    assert list_severities(_declare(module, **{"files:read": "reads"}), files) == ["error"] * expected
