"""Tests that repeat the code are found; tests that compute something else are not."""

import pytest

from gates.copied_code import find_copied_functions
from tests.gates.blocks import MODULE, SOUND, TESTS, block

CODE = MODULE.partition("\n\n\n")[2]
COPIES = {
    "as-it-stands": f"{TESTS}\n\n{CODE.replace('def fee', 'def expected')}",
    "with-other-names": f"{TESTS}\n\n{CODE.replace('fee', 'expected').replace('weight', 'w').replace('base', 'b')}",
    "as-text": f"{TESTS}\n\nSOURCE = {MODULE!r}\n",
    "inside-a-test": f"{TESTS}\n\ndef test_more():\n    weight, express = 5, False\n"
    + "\n".join(CODE.splitlines()[2:]),
    "hardly-changed": f"{TESTS}\n\n{CODE.replace('def fee', 'def expected').replace('2000', '2001')}",
}
ANOTHER_WAY = """

def expected(weight, express):
    steps = max(0, (weight - 2000) // 100)
    price = {True: 250, False: 490}[weight <= 500] + 12 * steps
    return price * 2 + 99 if express else price
"""


@pytest.mark.parametrize("tests", COPIES.values(), ids=COPIES)
def test_a_copy_is_found_with_its_line(tests: str) -> None:
    (finding,) = find_copied_functions(block(tests=tests))

    assert (finding.rule, finding.path) == ("copied-code", "test_parcel.py")
    assert finding.line > 0
    assert "the code of fee" in finding.message


def test_ordinary_tests_and_another_way_to_compute_are_none() -> None:
    assert find_copied_functions(SOUND) == ()
    assert find_copied_functions(block(tests=TESTS + ANOTHER_WAY)) == ()


def test_short_functions_may_be_written_twice() -> None:
    module = "def half(n: int) -> int:\n    return n // 2\n"
    assert find_copied_functions(block(module, "def expected(n):\n    return n // 2\n")) == ()
