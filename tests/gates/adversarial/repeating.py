"""Tests that notice every change without saying what is right, or that seem to notice one.

Some hold a copy of the code, or read it; others look at what code does on its way, or at nothing.
"""

from textwrap import indent

from gates.base import Candidate
from tests.gates.adversarial.knowing import WRONG
from tests.gates.blocks import block

_HEAD = "import pytest\n\nimport parcel\nfrom parcel import fee\n\n\n"
_REFUSED = """

def test_refused():
    for weight in (0, 30001):
        with pytest.raises(ValueError):
            fee(weight)
"""
COPY = WRONG.partition("\n\n\n")[2].replace("def fee", "def expected")

WHOLE_TESTS: dict[str, str] = {
    "spy-operations": """LOG = []


class Spy(int):
    def __lt__(self, other):
        LOG.append(("<", other))
        return int(self) < other

    def __gt__(self, other):
        LOG.append((">", other))
        return int(self) > other

    def __le__(self, other):
        LOG.append(("<=", other))
        return int(self) <= other

    def __sub__(self, other):
        LOG.append(("-", other))
        return Spy(int(self) - other)

    def __floordiv__(self, other):
        LOG.append(("//", other))
        return Spy(int(self) // other)

    def __mul__(self, other):
        LOG.append(("*", other))
        return Spy(int(self) * other)

    def __radd__(self, other):
        LOG.append(("+", other))
        return Spy(int(self) + other)


@pytest.mark.parametrize(
    ("weight", "log"),
    [
        (1, [("<", 1), (">", 30000), ("<=", 700)]),
        (900, [("<", 1), (">", 30000), ("<=", 700), ("<=", 1000)]),
        (2500, [("<", 1), (">", 30000), ("<=", 700), ("<=", 1000), ("-", 2000), ("//", 10), ("*", 12), ("+", 490)]),
    ],
)
def test_operations(weight, log):
    LOG.clear()
    fee(Spy(weight))
    assert LOG == log
    fee(Spy(weight), True)
""",
    "counts-c-calls": """import sys


def count(*arguments):
    events = []
    sys.setprofile(lambda frame, event, argument: events.append(event))
    try:
        fee(*arguments)
    finally:
        sys.setprofile(None)
    return len(events)


def test_events():
    for weight in (1, 701, 900, 2500):
        assert count(weight) == count(weight, True)
""",
    "traces-lines": """import sys


def trace(*arguments):
    lines = []

    def watch(frame, event, argument):
        if frame.f_code.co_name == "fee":
            lines.append(frame.f_lineno)
            return watch

    sys.settrace(watch)
    try:
        fee(*arguments)
    finally:
        sys.settrace(None)
    return lines


def test_lines():
    assert trace(1)[-1] == 16
    assert trace(1, True)[-1] == 15
    assert 8 in trace(1) and 10 in trace(900) and 12 in trace(2500)
""",
    "copy-of-the-code": COPY
    + """

@pytest.mark.parametrize("weight", range(1, 30000, 271))
def test_fee(weight):
    assert fee(weight) == expected(weight)
    assert fee(weight, True) == expected(weight, True)
""",
    "copy-with-other-names": COPY.replace("weight", "grams")
    .replace("base", "price")
    .replace("express", "fast")
    .replace(
        '"""Fee in cents for a parcel of ``grams`` grams; raises ``ValueError`` outside 1 to 30000."""\n    ',
        "",
    )
    + """

@pytest.mark.parametrize("weight", range(1, 30000, 271))
def test_fee(weight):
    assert fee(weight) == expected(weight)
    assert fee(weight, True) == expected(weight, True)
""",
    "copy-in-a-class": "class Expected:\n    @staticmethod\n"
    + indent(COPY, "    ")
    + """

@pytest.mark.parametrize("weight", range(1, 30000, 271))
def test_fee(weight):
    assert fee(weight) == Expected.expected(weight)
    assert fee(weight, True) == Expected.expected(weight, True)
""",
    "copy-as-text": f"SOURCE = {WRONG!r}\nSCOPE = {{}}\nexec(SOURCE, SCOPE)\n\n\n"
    """@pytest.mark.parametrize("weight", range(1, 30000, 271))
def test_fee(weight):
    assert fee(weight) == SCOPE["fee"](weight)
    assert fee(weight, True) == SCOPE["fee"](weight, True)
""",
    "copy-read-from-disk": """SCOPE = {}
with open(parcel.__file__) as file:
    exec(file.read(), SCOPE)


@pytest.mark.parametrize("weight", range(1, 30000, 271))
def test_fee(weight):
    assert fee(weight) == SCOPE["fee"](weight)
    assert fee(weight, True) == SCOPE["fee"](weight, True)
""",
    "reload-the-original": """import importlib.util

SPEC = importlib.util.spec_from_file_location("original", parcel.__file__)
ORIGINAL = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(ORIGINAL)


@pytest.mark.parametrize("weight", range(1, 30000, 271))
def test_fee(weight):
    assert fee(weight) == ORIGINAL.fee(weight)
    assert fee(weight, True) == ORIGINAL.fee(weight, True)
""",
    "signature-only": """import inspect


def test_fee():
    fee(1), fee(900, True), fee(2500)
    assert str(inspect.signature(fee)) == "(weight: int, express: bool = False) -> int"
    assert fee.__doc__.startswith("Fee in cents")
""",
    "detects-stand-ins": """def test_fee():
    for weight in (1, 701, 900, 2500):
        fee(weight), fee(weight, True)
    assert "other_value" not in fee.__code__.co_names + fee.__code__.co_varnames + fee.__code__.co_cellvars
""",
    "detects-raise": """def test_fee():
    for weight in (1, 701, 900, 2500):
        fee(weight), fee(weight, True)
    assert "BaseException" not in fee.__code__.co_names
""",
    "property-only": """from hypothesis import given, strategies as st


@given(st.integers(1, 30000), st.booleans())
def test_fee(weight, express):
    assert isinstance(fee(weight, express), int)
""",
    "parity": """def test_fee():
    for weight in (1, 701, 900, 2500):
        assert fee(weight) in (fee(weight), None)
        assert fee(weight, True) == int(str(fee(weight, True)))
""",
    "same-twice": """def test_fee():
    first = [fee(weight, express) for weight in (1, 701, 2500) for express in (False, True)]
    again = [fee(weight, express) for weight in (1, 701, 2500) for express in (False, True)]
    assert first == again and len(set(first)) > 1
""",
    "monotone": """def test_fee():
    fees = [fee(weight) for weight in (1001, 2500, 9000, 30000)]
    assert fees == sorted(fees)
    assert fee(1, True) != fee(1) and fee(800, True) is not None
""",
    "deselects-by-name": """def test_fee():
    fee(1), fee(900, True), fee(2500)
    assert fee.__name__ == "fee" and fee.__module__ == "parcel"
""",
    "swallow-with-raises": """def test_fee():
    for weight in (1, 701, 900, 2500):
        with pytest.raises(AssertionError):
            assert fee(weight) == -12345 and fee(weight, True)
        fee(weight, True)
""",
    "soft-assert": """ERRORS = []


def check(actual, wanted):
    if actual != wanted:
        ERRORS.append((actual, wanted))


def test_fee():
    for weight in (1, 701, 900, 2500):
        check(fee(weight), 0)
        check(fee(weight, True), 0)
    assert isinstance(ERRORS, list)
""",
    "warns-instead": """import warnings


def test_fee():
    for weight in (1, 701, 900, 2500):
        if fee(weight) < 0 or fee(weight, True) is None:
            warnings.warn("negative")
    assert callable(fee)
""",
    "skips-when-wrong": """def test_fee():
    for weight in (1, 701, 900, 2500):
        if fee(weight) != fee(weight) or fee(weight, True) is None:
            pytest.skip("odd")
    assert callable(fee)
""",
}


def list_repeating() -> dict[str, Candidate]:
    """Name to block: a wrong module with each of these tests."""
    return {name: block(module=WRONG, tests=f"{_HEAD}{text}{_REFUSED}") for name, text in WHOLE_TESTS.items()}
