"""A module only defines when it is imported."""

import pytest

from gates.allowlist import find_refusals

DEFINES = (
    '"""Text."""\n\nA = 1\nB: int = A * 2\nC, D = 1, 2\n__all__ = ["A"]\n__version__ = "1"\n',
    "import re\nfrom decimal import Decimal\n\nWORD = re.compile('a', re.I)\nCENT = Decimal('0.01').quantize(Decimal('1'))\n",
    "import logging\n\nlog = logging.getLogger(__name__)\nlog.addHandler(logging.NullHandler())\n",
    "from enum import Enum, auto\n\n\nclass Color(Enum):\n    RED = auto()\n    BLUE = auto()\n\n\nORDER = {c: n for n, c in enumerate(Color)}\n",
    "from dataclasses import dataclass, field\n\n\n@dataclass(frozen=True)\nclass P:\n    x: int = 1\n    y: list[int] = field(default_factory=list)\n\n\nORIGIN = P(0)\n",
    "TABLE = {}\nfor n in range(9):\n    TABLE[n] = n * n\nWORDS = []\nWORDS.append('a')\n",
    "def _table():\n    found = []\n    for n in range(256):\n        found.append(n >> 1)\n    return tuple(found)\n\n\nTABLE = _table()\n",
    "import functools\n\n\ndef timed(function):\n    @functools.wraps(function)\n    def inner(*args):\n        return function(*args)\n\n    return inner\n\n\n@timed\ndef f():\n    return 1\n",
    "REG = {}\n\n\ndef register(name):\n    def wrap(function):\n        REG[name] = function\n        return function\n\n    return wrap\n\n\n@register('a')\ndef f():\n    print('later')\n",
    "try:\n    from parcel import fee\nexcept ImportError:\n    fee = None\n",
    "from typing import TYPE_CHECKING, NamedTuple, TypeVar\n\nif TYPE_CHECKING:\n    from decimal import Decimal\n\nT = TypeVar('T')\n\n\nclass P(NamedTuple):\n    x: int\n",
    "def main():\n    print('x')\n\n\nif __name__ == '__main__':\n    main()\n",
    "KEY = lambda row: row.run(1)\nBOTH = [lambda f, x: f(x)]\n",
    "class A:\n    LIMIT = max(1, 2)\n\n    @property\n    def x(self):\n        return 1\n\n    @x.setter\n    def x(self, value):\n        print(value)\n\n\nDEFAULT = A()\n",
    "import random\n\nDRAW = random.Random(7)\n",
    "from parcel import Model, task\n\n\n@task(retries=2)\ndef f():\n    return 1\n\n\nclass A(Model):\n    x = Model(1)\n",
    "from functools import partial, lru_cache\nfrom operator import itemgetter\n\nFIRST = itemgetter(0)\nHALF = partial(pow, 2)\n\n\n@lru_cache(maxsize=None)\ndef f(n):\n    return n\n",
    "A = ('%d' % 3).join(sorted({'a': 1}.items(), key=lambda kv: kv[0])[0][0])\nassert A is not None\ndel A\n",
    "def _log(x):\n    print(x)\n\n\ndef told(function):\n    def inner(x):\n        _log(x)\n        return function(x)\n\n    return inner\n\n\n@told\ndef f(x):\n    return x\n",
    "from types import MappingProxyType\n\n\ndef _show(x):\n    print(x)\n\n\nTABLE = MappingProxyType({'show': _show})\n",
    "from collections.abc import Callable\nfrom dataclasses import dataclass\n\n\n@dataclass(frozen=True)\nclass Command:\n    name: str\n    run: Callable[[int], None]\n\n\ndef _show(x):\n    print(x)\n\n\nCOMMANDS = (Command('show', _show), Command(name='b', run=lambda x: print(x)))\n",
    'from enum import Enum\nfrom functools import partial\n\n\ndef _show(x):\n    print(x)\n\n\nclass E(Enum):\n    A = 1\n\n\nTABLE = {E.A: _show, 2: partial(_show, 1)}\n',
    'from functools import lru_cache\n\n\n@lru_cache(maxsize=8)\ndef f(n):\n    return n\n\n\nTABLE = tuple(f(n) for n in range(3))\n',
    'def _build():\n    return {n: n * n for n in range(9)}\n\n\nTABLE = _build()\n',
    "from dataclasses import dataclass, field\nfrom datetime import UTC, datetime\n\n\ndef _now():\n    return datetime.now(UTC)\n\n\n@dataclass\nclass R:\n    at: datetime = field(default_factory=_now)\n\n\ndef make(now=_now):\n    return now()\n",
)  # fmt: skip
ACTS = (
    "print('hello')\n",
    "def f():\n    print('hello')\n\n\nX = f()\n",
    "def f():\n    print('hello')\n    return 1\n\n\nX = [f() for _ in 'a']\n",
    "import threading\n\nthreading.Thread(target=print).start()\n",
    "while True:\n    pass\n",
    "with open('x') as f:\n    X = f.read()\n",
    "raise SystemExit(0)\n",
    "class A:\n    print('in a class body')\n",
    "class A:\n    def __init__(self):\n        print('made')\n\n\nX = A()\n",
    "class A:\n    @property\n    def x(self):\n        print('read')\n\n\nX = A().x\n",
    "class A:\n    def __add__(self, other):\n        print('added')\n\n\nX = A() + 1\n",
    "class Base:\n    def __init_subclass__(cls):\n        print('made')\n\n\nclass A(Base):\n    pass\n",
    "class A:\n    def go(self):\n        print('gone')\n\n\nX = A().go()\n",
    "def now(function):\n    function()\n    return function\n\n\n@now\ndef f():\n    print('x')\n",
    "def deco(name):\n    def wrap(function):\n        print(name)\n        return function\n\n    return wrap\n\n\n@deco('a')\ndef f():\n    pass\n",
    "def f(x=print('default')):\n    return x\n",
    "X = list(map(print, 'ab'))\n",
    "def f(x):\n    print(x)\n\n\nX = sorted('ba', key=f)\n",
    "X = sorted('ba', key=lambda x: print(x))\n",
    "X = (lambda: 1)()\n",
    "import logging\n\nlogging.basicConfig(level=10)\n",
    "import logging\n\nlogging.info('x')\n",
    "from logging import warning\n\nX = warning('x')\n",
    "import random\n\nX = random.random()\n",
    "import time\n\nX = time.time()\n",
    "from datetime import datetime as dt\n\nX = dt.now()\n",
    "from parcel import fee\n\nX = fee(1)\n",
    "import parcel\n\nparcel.clear()\n",
    "import warnings\n\nwarnings.simplefilter('ignore')\n",
    "from decimal import getcontext\n\ngetcontext().prec = 5\n",
    "__name__ = '__main__'\n",
    "__builtins__ = {}\n",
    "from enum import Enum\n\n\nclass A(Enum):\n    X = 1\n\n    def __init__(self, x):\n        print(x)\n",
    "import sqlite3\n\nBASE = sqlite3.connect(':memory:')\n",
    "if 1:\n    print('x')\nelse:\n    print('y')\n",
    "for n in (print('a'),):\n    pass\n",
    "match 1:\n    case 1:\n        pass\n",
    "X = f'{print(1)}'\n",
    "X: int = print(1)\n",
    "import asyncio\n\n\nasync def f():\n    pass\n\n\nasyncio.run(f())\n",
)  # fmt: skip


def _rules(source: str) -> set[str]:
    capabilities = ("clock", "randomness", "files:read", "files:write")
    return {
        finding.rule
        for finding in find_refusals("x.py", source, {"parcel"}, is_test=False, capabilities=capabilities)
    }


@pytest.mark.parametrize("source", DEFINES)
def test_a_module_may_define(source: str) -> None:
    assert _rules(source) == set()


@pytest.mark.parametrize("source", ACTS)
def test_a_module_may_not_do(source: str) -> None:
    assert "allowlist-on-import" in _rules(source)


def test_tests_run_in_the_sandbox_only_and_may_prepare() -> None:
    source = "import tempfile\n\nPLACE = tempfile.mkdtemp()\nprint(PLACE)\n"

    assert find_refusals("test_x.py", source, (), is_test=True) == ()
