"""What the coverage gate counts and shows, each by a block that differs from the sound one in that."""

import re
import time

import pytest

from gates.base import GateReport, Policy, Verdict
from gates.builtin.coverage import gate
from gates.runner import compose_feedback, run_gates
from tests.gates.blocks import MODULE, TESTS, block


def _judge(module: str = MODULE, tests: str = TESTS) -> GateReport:
    return gate.check(block(module=module, tests=tests), Policy(wall_seconds=60))


def test_parts_of_a_line_that_no_test_reaches_are_notes_with_their_line() -> None:
    module = MODULE.replace("return base * 2 + 99", "return base * 2 + 99 if weight != 12345 else 7")
    module = module.replace("    if express:", "    if express or (weight > 90000 and base < 5):")

    report = _judge(module)

    notes = {
        (finding.line, finding.message) for finding in report.findings if finding.rule == "unreached-part"
    }
    assert report.verdict is Verdict.PASSED
    assert notes == {(14, "no test gets to `base < 5`"), (15, "no test gets to `7`")}


def test_functions_that_run_on_import_are_covered_by_every_test() -> None:
    module = (
        '"""Fees by kind."""\n\n\nclass Kind:\n    _kinds: dict[str, type] = {}\n\n'
        "    def __init_subclass__(cls) -> None:\n        Kind._kinds[cls.__name__.lower()] = cls\n\n\n"
        "class Light(Kind):\n    cents = 250\n\n\nclass Heavy(Kind):\n    cents = 490\n\n\n"
        "def fee(kind: str) -> int:\n    return Kind._kinds[kind].cents\n"
    )
    tests = (
        "from parcel import fee\n\n\ndef test_fee():\n    assert (fee('light'), fee('heavy')) == (250, 490)\n"
    )

    report = _judge(module, tests)

    assert (report.verdict, report.details["sabotage"]) == (Verdict.PASSED, "100.00")


def test_two_runs_write_the_same_reports_but_for_the_time() -> None:
    times = re.compile(rb'timestamp="[0-9]+"')

    first, second = (times.sub(b"", _judge().evidence["coverage.xml"]) for _ in range(2))

    assert first == second
    assert b'<package name="."' in first


@pytest.mark.parametrize(
    "look",
    ["open(parcel.__file__).read()", "inspect.getsource(parcel)", "linecache.getlines(parcel.__file__)[0]"],
)
def test_no_test_can_read_the_original(look: str) -> None:
    tests = f"import inspect\nimport linecache\n\nimport parcel\n{TESTS}\n\ndef test_source():\n    assert {look}\n"

    report = _judge(tests=tests)

    assert [finding.rule for finding in report.findings if finding.severity == "error"] == ["test-failed"]


def test_a_traceback_has_the_lines_of_the_block() -> None:
    report = _judge(MODULE.replace("        base = 490\n", "        base = 490 // (weight - weight)\n"))

    assert (
        "parcel.py:11: in fee\n    base = 490 // (weight - weight)\nE   ZeroDivisionError" in report.feedback
    )


def test_a_test_that_never_ends_is_named_once_and_costs_its_time_once() -> None:
    endless = "def test_endless():\n    while fee(1):\n        pass\n    assert fee(1)\n"
    candidate = block(tests=f"{TESTS}\n\n{endless}")
    began = time.monotonic()

    reports = run_gates(candidate, Policy(wall_seconds=12), ("coverage", "mutation"))

    for report in reports:
        assert report.verdict is Verdict.FAILED
        assert "test_parcel.py::test_endless did not end in time." in report.feedback
    assert compose_feedback(reports).count("did not end in time") == 1
    # The limit is a fifth of the time for a gate.
    assert time.monotonic() - began < 30


def test_one_failure_is_reported_once() -> None:
    report = _judge(tests=f"{TESTS}\n\ndef test_wrong():\n    assert fee(1) == 251\n")

    broken = [finding for finding in report.findings if finding.severity == "error"]
    assert [finding.message for finding in broken] == ["test_parcel.py::test_wrong: failed"]
    assert report.feedback.count("- test_parcel.py::test_wrong") == 1
    assert "test_parcel.py:" in report.feedback.partition("test_wrong:\n")[2]
