"""Blocks whose behaviour depends on what callers do not see, whose tests look at nothing, or that hide code in a
private module.

Each maps to the gates of which every single one must refuse it.
"""

import json
from dataclasses import replace

from gates.base import Candidate
from tests.gates.adversarial.knowing import WRONG
from tests.gates.blocks import CONTRACT, MODULE, TESTS, block

_CONTRACT, _COVERAGE, _MUTATION, _SECURITY = "contract", "coverage", "mutation", "security"
_LAST = "    if express:\n        return base * 2 + 99\n"

# What the fee of a heavy parcel depends on, and what has to be imported for it.
_DEPENDS = {
    "threads": ("import threading", "threading.active_count() > 1"),
    "recursion-limit": ("import sys", "sys.getrecursionlimit() > 1500"),
    "depth-of-stack": ("", "_dive(0) > 1500"),
    "log-handlers": ("import logging", "len(logging.getLogger().handlers) > 0"),
    "log-level": ("import logging", "logging.getLogger().isEnabledFor(10)"),
    "time-zone": ("import time", "time.timezone != 0"),
    "seed-of-hash": ("", "hash(str(weight)) % 2 == 1"),
    "order-of-sets": ("", "list({str(weight), 'a', 'b'})[0] == 'a'"),
    "earlier-calls": ("_SEEN = []", "(_SEEN.append(1) or len(_SEEN)) > 300"),
    "main-thread": ("import threading", "threading.current_thread() is not threading.main_thread()"),
    "terminal": ("import sys", "sys.stdout.isatty()"),
    "encoding": ("import sys", "sys.stdout.encoding != 'utf-8'"),
    "other-loggers": ("import logging", "logging.getLogger('django').level > 0"),
    "local-time": ("import datetime", "datetime.datetime.fromtimestamp(0).hour != 0"),
    "clock-of-a-pattern": ("import time", "time.strftime('%Y') > '2030'"),
    "clock-of-a-variable": ("import time\n\n_NOW = None", "time.gmtime(_NOW).tm_year > 2030"),
    "clock-of-mail": ("from email.utils import formatdate", "int(formatdate()[12:16]) > 2030"),
}
# The same where the contract declares a capability that this does not use, or that another function uses.
_DECLARED: dict[str, tuple[str, str, tuple[str, ...], str]] = {
    "environment": ("import time", "time.timezone != 0", ("clock",), ""),
    "clock": ("import datetime", "datetime.date.today().year > 2030", ("randomness", "environment"), ""),
    "pytest": ("import os", "'PYTEST_CURRENT_TEST' in os.environ", ("environment",), ""),
    "date": (
        "import datetime\nimport random",
        "datetime.date.today().year > 2030",
        ("randomness",),
        "\n\ndef _draw() -> float:\n    return random.random()\n",
    ),
}
_DIVE = (
    "\n\ndef _dive(depth: int) -> int:\n    try:\n        return _dive(depth + 1)\n"
    "    except RecursionError:\n        return depth\n"
)


def _depend(imports: str, condition: str) -> Candidate:
    added = f"    if weight > 20000 and {condition}:\n        base += 1\n{_LAST}"
    text = MODULE.replace('"""Shipping fees."""\n', f'"""Shipping fees."""\n\n{imports}\n').replace(
        _LAST, added
    )
    return block(module=text + (_DIVE if "_dive" in condition else ""))


def _depend_beside(imports: str, condition: str, declared: tuple[str, ...], more: str) -> Candidate:
    contract = {**CONTRACT, "capabilities": dict.fromkeys(declared, "for stamps")}
    candidate = _depend(imports, condition)
    return replace(candidate, module=candidate.module + more, contract=json.dumps(contract))


# Right where tests call: by the file of the caller, or by what pytest has put on the root logger.
_CALLER_OF_WARNING = """import warnings


def _off() -> int:
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        warnings.warn("x", stacklevel=3)
    return 0 if "test_" in seen[0].filename else 3
"""
_CALLER_OF_LOG = """import logging


class _Where(logging.Handler):
    seen = ""

    def emit(self, record):
        self.seen = record.pathname


def _off() -> int:
    log, where = logging.getLogger("fees"), _Where()
    log.addHandler(where)
    log.error("x", stacklevel=3)
    log.removeHandler(where)
    return 0 if "test_" in where.seen else 3
"""
_HANDLER_OF_PYTEST = """import logging


def _off() -> int:
    return 0 if any(hasattr(each, "records") for each in logging.getLogger().handlers) else 3
"""


def _right_under_test(sensor: str) -> Candidate:
    module = MODULE.replace('"""Shipping fees."""\n', f'"""Shipping fees."""\n\n{sensor}\n')
    return block(module=module.replace("    return base\n", "    return base + _off()\n"))


# Tests of a wrong module that pass, and look busy.
_IDLE = {
    "equals-anything": (
        "class Any:\n    def __eq__(self, other):\n        return True\n\n\n"
        "def test_fee():\n    assert fee(1) == Any()\n    assert fee(900, True) == Any()\n"
    ),
    "any-of-mock": (
        "from unittest import mock\n\n\n"
        "def test_fee():\n    assert fee(1) == mock.ANY\n    assert fee(900, True) == mock.ANY\n"
    ),
    "wide-tolerance": (
        "def test_fee():\n    assert fee(1) == pytest.approx(0, abs=10**9)\n"
        "    assert fee(900, True) == pytest.approx(0, abs=10**9)\n"
    ),
    "expects-what-it-gets": (
        "EXPECTED = {weight: fee(weight, True) for weight in (1, 900, 2500)}\n\n\n"
        "def test_fee():\n    for weight, cents in EXPECTED.items():\n        assert fee(weight, True) == cents\n"
    ),
    "parametrized-by-itself": (
        "@pytest.mark.parametrize(('weight', 'cents'), [(w, fee(w)) for w in (1, 900, 2500)])\n"
        "def test_fee(weight, cents):\n    assert fee(weight) == cents\n"
    ),
    "tests-a-replacement": (
        "import parcel\n\n\ndef right(weight, express=False):\n    return 250\n\n\n"
        "def test_fee(monkeypatch):\n    fee(1), fee(900, True), fee(2500)\n"
        "    monkeypatch.setattr('parcel.fee', right)\n    assert parcel.fee(1) == 250\n"
    ),
    "replaces-for-all": (
        "import parcel\n\n\n@pytest.fixture(autouse=True)\ndef replaced(monkeypatch):\n"
        "    monkeypatch.setattr('parcel.fee', lambda weight, express=False: 250)\n\n\n"
        "def test_fee():\n    fee(1), fee(900, True), fee(2500)\n    assert parcel.fee(1) == 250\n"
    ),
    "never-gets-there": (
        "def test_fee():\n    for weight in (1, 900, 2500):\n        fee(weight, True)\n"
        "    for weight in ():\n        assert fee(weight) == 250\n"
    ),
    "asserts-the-input": (
        "@pytest.mark.parametrize('weight', [1, 900, 2500])\n"
        "def test_fee(weight):\n    result = {'weight': weight, 'cents': fee(weight, True)}\n"
        "    assert result['weight'] == weight\n"
    ),
    "asserts-keys": (
        "def test_fee():\n    results = {weight: fee(weight, True) for weight in (1, 900, 2500)}\n"
        "    assert sorted(results) == [1, 900, 2500]\n    assert len(results.values()) == 3\n"
    ),
    "swallows-in-a-helper": (
        "def check(actual, expected):\n    try:\n        assert actual == expected\n"
        "    except AssertionError:\n        return False\n    return True\n\n\n"
        "def test_fee():\n    check(fee(1), 250)\n    check(fee(900, True), 1079)\n    assert fee is not None\n"
    ),
    "subtests-that-fail-quietly": (
        "import unittest\nfrom contextlib import suppress\n\n\nclass TestFee(unittest.TestCase):\n"
        "    def test_fee(self):\n        for weight in (1, 900, 2500):\n"
        "            with suppress(AssertionError):\n                self.assertEqual(fee(weight, True), -1)\n"
    ),
    "expects-to-fail": (
        "@pytest.mark.parametrize('weight', [1, 900, 2500])\ndef test_fee(weight):\n"
        "    with pytest.raises(AssertionError):\n        assert fee(weight) == -1\n"
        "    with pytest.raises(AssertionError):\n        assert fee(weight, True) == -1\n"
    ),
    "draws-and-looks-at-types": (
        "from hypothesis import given, strategies as st\n\n\n"
        "@given(st.integers(1, 30000), st.booleans())\ndef test_fee(weight, express):\n"
        "    assert isinstance(fee(weight, express), int)\n"
    ),
}
_REFUSED = "\n\ndef test_refused():\n    for weight in (0, 30001):\n        with pytest.raises(ValueError):\n            fee(weight)\n"

_FEES = '"""Fees by zone."""\n\nimport re\n\n\ndef surcharge(zone: str) -> int:\n    """Cents."""\n'
_COMPUTED = f"{_FEES}    if zone < 'd':\n        return 10\n    if zone < 'k':\n        return 20\n    return 30 + len(zone) * 5\n"
_USES = f"from parcel_zones import surcharge\n\n\n{MODULE}\n\ndef _zone(zone: str) -> int:\n    return surcharge(zone)\n"


def _with_private(
    text: str, module: str = _USES, name: str = "parcel_zones", tests: str = TESTS
) -> Candidate:
    return replace(block(module=module, tests=tests), private_modules={name: text})


_PRIVATE: dict[str, tuple[Candidate, tuple[str, ...]]] = {
    # It is not tested, and the rest is.
    "private-untested": (_with_private(_COMPUTED), (_COVERAGE,)),
    "private-hollow": (
        _with_private(
            _COMPUTED,
            tests=f"{TESTS}\n\ndef test_zone():\n    from parcel_zones import surcharge\n"
            "    assert all(surcharge(zone) is not None for zone in ('a', 'e', 'kk'))\n",
        ),
        (_MUTATION,),
    ),
    "private-acts": (_with_private(f"{_COMPUTED}\n\nprint('hello')\n"), (_SECURITY,)),
    "private-acts-when-called": (
        _with_private(
            f"{_COMPUTED}\n\ndef table():\n    print('hello')\n    return 1\n",
            module=_USES.replace("import surcharge", "import surcharge, table") + "\n\nTABLE = table()\n",
        ),
        (_SECURITY,),
    ),
    "private-acts-when-made": (
        _with_private(
            f"{_COMPUTED}\n\nclass Table:\n    def __init__(self):\n        print('hello')\n",
            module=_USES.replace("import surcharge", "import Table, surcharge") + "\n\nTABLE = Table()\n",
        ),
        (_SECURITY,),
    ),
    "private-acts-when-inherited": (
        _with_private(
            f"{_COMPUTED}\n\nclass Base:\n    def __init_subclass__(cls):\n        print('hello')\n",
            module=_USES.replace("import surcharge", "import Base, surcharge") + "\n\nclass Fees(Base):\n    pass\n",
        ),
        (_SECURITY,),
    ),
    "private-decorates": (
        _with_private(
            f"{_COMPUTED}\n\ndef loud(function):\n    print('hello')\n    return function\n",
            module=_USES.replace("import surcharge", "import loud, surcharge")
            + "\n\n@loud\ndef _again(x: int) -> int:\n    return x\n",
        ),
        (_SECURITY,),
    ),
    "private-reaches-out": (_with_private(f"import os\n{_COMPUTED}\n\nNAME = os.sep\nos.getcwd()\n"), (_SECURITY,)),
    "private-of-another-name": (
        _with_private(_COMPUTED, module=_USES.replace("parcel_zones", "requests"), name="requests"),
        (_COVERAGE, _MUTATION, _SECURITY),
    ),
    "private-in-place-of-the-library": (
        _with_private(_COMPUTED, module=_USES.replace("parcel_zones", "json"), name="json"),
        (_COVERAGE, _MUTATION, _SECURITY),
    ),
}  # fmt: skip

HIDDEN: dict[str, tuple[Candidate, tuple[str, ...]]] = {
    **{f"depends-on-{name}": (_depend(*each), (_CONTRACT,)) for name, each in _DEPENDS.items()},
    **{f"declares-beside-{name}": (_depend_beside(*each), (_CONTRACT,)) for name, each in _DECLARED.items()},
    **{
        name: (
            block(module=WRONG, tests=f"import pytest\n\nfrom parcel import fee\n\n\n{text}{_REFUSED}"),
            (_MUTATION,),
        )
        for name, text in _IDLE.items()
    },
    "sees-the-caller-in-a-warning": (_right_under_test(_CALLER_OF_WARNING), (_COVERAGE,)),
    "sees-the-caller-in-a-log": (_right_under_test(_CALLER_OF_LOG), (_COVERAGE,)),
    "sees-a-handler-of-pytest": (_right_under_test(_HANDLER_OF_PYTEST), (_CONTRACT,)),
    **_PRIVATE,
}
