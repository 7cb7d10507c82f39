"""What generated code may import and call."""

import pytest

from gates.allowlist import ALLOWED_MODULES, ALLOWED_TEST_MODULES, find_refusals

OWN = {"parcel"}

ALLOWED = (
    "import decimal\nfrom datetime import date\nimport collections.abc\nfrom urllib.parse import quote\n",
    "from __future__ import annotations\nimport random\n",
    "import parcel\nfrom parcel import fee\n",
    "value = getattr(thing, 'name', None)\n",
    "class A:\n    __slots__ = ('x',)\n\n    def __eq__(self, other):\n        return other.__class__ is A\n",
    "text = 'a __init__ of its own'\n",
    "print(len('x'), isinstance(1, int), super)\n",
)
REFUSED = {
    "import os\n": "import",
    "import os.path\n": "import",
    "from subprocess import run\n": "import",
    "from . import sibling\n": "import",
    "from logging import os\n": "import",
    "from random import _os\n": "import",
    "import importlib.util\n": "import",
    "eval('1')\n": "builtin",
    "run = exec\n": "builtin",
    "getattr(thing, name)\n": "builtin",
    "getattr(thing, '__globals__')\n": "builtin",
    "setattr(thing, 'x', 1)\n": "builtin",
    "thing.__subclasses__()\n": "attribute",
    "thing.f_back\n": "attribute",
    "__loader__\n": "attribute",
    "text = '{0.__globals__}'\n": "string",
    "def pytest_configure():\n    pass\n": "hook",
    "def __getattr__x__():\n    pass\n": "hook",
    "\uff45\uff56\uff41\uff4c('1')\n": "builtin",
}
IN_TESTS = {
    "from unittest import mock\nmock.patch('os.getpid')\n": "patch",
    "monkeypatch.setattr('os.getpid', 1)\n": "patch",
    "mock.patch(f'parcel.{name}')\n": "patch",
    "def test_x(pytestconfig):\n    pass\n": "fixture",
    "def test_x(request):\n    pass\n": "fixture",
    "import _pytest\n": "import",
    "pytest.importorskip('os')\n": "attribute",
}


@pytest.mark.parametrize("source", ALLOWED)
def test_what_computes_is_allowed(source: str) -> None:
    assert find_refusals("x.py", source, OWN, is_test=False) == ()


@pytest.mark.parametrize(("source", "rule"), REFUSED.items())
def test_what_reaches_out_is_refused(source: str, rule: str) -> None:
    found = find_refusals("x.py", source, OWN, is_test=False)

    assert f"allowlist-{rule}" in {finding.rule for finding in found}
    assert all(
        finding.severity == "error" and finding.path == "x.py" and finding.line > 0 for finding in found
    )


@pytest.mark.parametrize(("source", "rule"), IN_TESTS.items())
def test_what_tests_may_not(source: str, rule: str) -> None:
    assert f"allowlist-{rule}" in {
        finding.rule for finding in find_refusals("test_x.py", source, OWN, is_test=True)
    }


@pytest.mark.parametrize(
    "source",
    [
        "import pytest\nimport unittest.mock\n",
        "monkeypatch.setattr(parcel, 'fee', 1)\n",
        "mock.patch('parcel.fee')\n",
    ],
)
def test_what_tests_may(source: str) -> None:
    assert find_refusals("test_x.py", source, OWN, is_test=True) == ()


def test_modules_may_import_no_test_tools() -> None:
    assert {"pytest", "unittest", "unittest.mock"} == ALLOWED_TEST_MODULES - ALLOWED_MODULES
    assert find_refusals("x.py", "import pytest\n", OWN, is_test=False)
