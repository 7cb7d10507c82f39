"""What generated code may import, read, call and name."""

import pytest

from gates.allowlist import ALLOWED_MODULES, ALLOWED_TEST_MODULES, find_refusals

OWN = {"parcel"}

ALLOWED = (
    "import decimal\nfrom datetime import date\nimport collections.abc\nfrom urllib.parse import quote\n",
    "from __future__ import annotations\nimport random\n",
    "import parcel\nfrom parcel import fee\n",
    "def name(thing):\n    return getattr(thing, 'name', None)\n",
    "class A:\n    __slots__ = ('x',)\n\n    def __eq__(self, other):\n        return other.__class__ is A\n",
    "class A:\n    def __init__(self):\n        self._x = 1\n\n    def __eq__(self, other):\n        return self._x == other._x\n",
    "TEXT = 'a __init__ of its own'\n",
    "import re\nfrom urllib import parse\n\nWORD = re.compile('a', re.IGNORECASE)\n\n\ndef quoted(x):\n    return parse.quote(x)\n",
    # A word of the domain is judged by the value before it.
    "def describe(device):\n    return device.os, device.sys.popen, device.socket.code\n",
    "def late(time):\n    return time.hour\n",
    "from operator import attrgetter\n\n\ndef ordered(rows):\n    return sorted(rows, key=attrgetter('age', 'name.first'))\n",
    "from collections import namedtuple\n\nPoint = namedtuple('Point', 'x y')\n\n\ndef moved(p):\n    return p._replace(x=1)\n",
    "LINE = '{name}: {value:>{width}}'\n\n\ndef line(name):\n    return LINE.format(name=name, value=1, width=3)\n",
    "LINES = {'a': '{0}', 'b': '{1}'}\n\n\ndef line(key):\n    return LINES[key].format(1, 2)\n",
    "def area(shape):\n    match shape:\n        case {'r': r}:\n            return r\n        case int(n):\n            return n\n        case [a, *_]:\n            return a\n",
    "from dataclasses import dataclass\n\n\n@dataclass\nclass P:\n    x: 'int | None'\n\n\ndef f(p):\n    match p:\n        case P(1):\n            return 1\n        case P(x=n):\n            return n\n",
    "import random\n\n\ndef draw(seed):\n    return random.Random(seed).random()\n",
    "import sqlite3\n\n\ndef base():\n    return sqlite3.connect(':memory:')\n",
    "import argparse\n\n\ndef read(words):\n    return argparse.ArgumentParser().parse_args(words)\n",
    "import os\n\n\ndef name(path):\n    return os.path.basename(os.path.join('a', path))\n",
    "import xml.etree.ElementTree as ET\n\n\ndef read(text):\n    return ET.fromstring(text).tag\n",
    "import gzip\nimport io\n\n\ndef read(data):\n    return gzip.open(io.BytesIO(data)).read()\n",
    "π = 3\nΔx = 1\ngröße = 2\n",
    "import logging\n\nlog = logging.getLogger(__name__)\n\n\nclass H(logging.Formatter):\n    def format(self, record):\n        return super().format(record)\n",
    "from typing import Literal\n\n\ndef f(x: Literal['a b', 'os.system()']) -> 'list[str]':\n    return [x]\n",
    "def walk(x, seen):\n    key = id(x)\n    if id(x) in seen or key == id(seen):\n        return {id(x): 1}[id(x)]\n    seen.add(id(x))\n    return set(map(id, seen))\n",
    # Words of the domain, and ordinary programs, that look like ways out.
    "def f(options):\n    if options.format == 'json':\n        return 1\n    return {'a': 2}[options.format] if options.format else 0\n",
    "def f(options):\n    match options.format:\n        case 'json':\n            return 1\n    return 0\n",
    'class Table:\n    def format(self, rows):\n        return str(rows)\n\n\ndef f(rows):\n    return Table().format(rows)\n',
    'class Table:\n    def format(self, rows):\n        return str(rows)\n\n\ndef f(rows):\n    table = Table()\n    return table.format(rows)\n',
    'import logging\n\n\nclass H(logging.Handler):\n    def emit(self, record):\n        self.lines = [self.format(record)]\n',
    "from dataclasses import dataclass\n\n\n@dataclass(frozen=True)\nclass P:\n    x: int\n\n    def __post_init__(self):\n        object.__setattr__(self, 'x', abs(self.x))\n",
    'class A:\n    def __setattr__(self, name, value):\n        super().__setattr__(name, value)\n',
    "class A:\n    def copy(self):\n        new = type(self).__new__(type(self))\n        object.__setattr__(new, 'x', 1)\n        return new\n",
    'import functools\n\n\ndef d(f):\n    @functools.wraps(f)\n    def g(*a):\n        return f(*a)\n\n    functools.update_wrapper(g, f)\n    return g\n',
    'def f(x):\n    return type(x).__name__, type(x) is int\n',
    'class A:\n    def __init__(self, x, y, z):\n        self.x = x\n\n    def moved(self):\n        return type(self)(1, 2, 3)\n',
    'from typing import Any\n\n\nclass D:\n    def __get__(self, instance: Any, owner=None):\n        return instance._values\n\n    def __init__(self):\n        self._values = {}\n',
    'from typing import Self\n\n\nclass A:\n    def __init__(self):\n        self._x = 1\n\n    def __eq__(self, other: Self):\n        return self._x == other._x\n',
    "import logging\n\nlog = logging.getLogger(f'{__name__}.x')\n",
    "def f(name):\n    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')\n",
    "from functools import singledispatch\n\nNumber = int | float\n\n\n@singledispatch\ndef show(x: object) -> str:\n    return str(x)\n\n\n@show.register\ndef _(x: int) -> str:\n    return 'i'\n\n\n@show.register(list)\ndef _list(x: list[int]) -> str:\n    return 'l'\n",
    'from dataclasses import dataclass\n\n\n@dataclass\nclass Base:\n    x: int\n\n\n@dataclass\nclass P(Base):\n    y: int\n\n\ndef f(p):\n    match p:\n        case P(a, b):\n            return a + b\n        case Base(a):\n            return a\n',
    'from typing import NamedTuple\n\n\nclass P(NamedTuple):\n    x: int\n\n\ndef f(p):\n    match p:\n        case P(a):\n            return a\n',
    "import sqlite3\n\n\ndef f(names):\n    base = sqlite3.connect(':memory:')\n    marks = ', '.join('?' * len(names))\n    return base.execute('SELECT 1 WHERE 1 IN (' + marks + ')', names).fetchall()\n",
    "import sqlite3\n\nSCHEMA = 'CREATE TABLE a (x)'\n\n\ndef f():\n    base = sqlite3.connect(':memory:')\n    base.executescript(SCHEMA)\n    with base:\n        base.executemany('INSERT INTO a VALUES (?)', [(1,)])\n    return base.execute('  select x from a').fetchall()\n",
    "from pathlib import PurePosixPath\n\n\ndef f(p):\n    return PurePosixPath(p).with_suffix('.x').name\n",
    "from pathlib import Path\n\n\ndef f(p: Path):\n    return p.suffix, p.name, p.parent / 'x'\n",
    "from pathlib import Path\n\n\ndef f(p: Path, text):\n    return text.replace('a', 'b') + p.stem\n",
    "import argparse\n\n\ndef f(options: argparse.Namespace):\n    return options.format == 'x', options.name\n",
    'import csv\nimport io\n\n\ndef f(rows):\n    out = io.StringIO()\n    csv.writer(out).writerows(rows)\n    return out.getvalue()\n',
    'from abc import ABC, abstractmethod\n\n\nclass A(ABC):\n    @property\n    @abstractmethod\n    def name(self) -> str: ...\n',
    "from contextvars import ContextVar\n\nCURRENT: ContextVar[str] = ContextVar('current', default='x')\n",
    "from typing import Annotated, TypeAlias\n\nRow: TypeAlias = dict[str, 'int | None']\nName = Annotated[str, 'not empty']\n",
    "from string import Template\n\nT = Template('$a')\n\n\ndef f(a):\n    return T.substitute(a=a)\n",
    "import xml.etree.ElementTree as ET\n\n\ndef f(rows):\n    root = ET.Element('rows')\n    for row in rows:\n        ET.SubElement(root, 'row', id=str(row)).text = 'x'\n    ET.indent(root)\n    return ET.tostring(root, encoding='unicode')\n",
    'import asyncio\n\n\nasync def f(x):\n    loop = asyncio.get_running_loop()\n    return await loop.run_in_executor(None, len, x)\n',
    'from collections import defaultdict\n\n\ndef f(rows):\n    d = defaultdict(lambda: defaultdict(int))\n    for a, b in rows:\n        d[a][b] += 1\n    return d\n',
    'import sys\n\n\ndef f(text):\n    sys.stdout.write(text)\n    print(text, file=sys.stderr)\n',
    "from email.message import EmailMessage\nfrom email.utils import formataddr\n\n\ndef f(a):\n    m = EmailMessage()\n    m['To'] = formataddr(('x', a))\n    m.set_content('hi')\n    return m.as_string()\n",
    'class A:\n    def __init__(self, x):\n        self.x = x\n\n    def __hash__(self):\n        return hash(self.x)\n\n    def __eq__(self, o):\n        return isinstance(o, A) and o.x == self.x\n',
    'def _f():\n    return 1\n\n\nclass A:\n    def __getattr__(self, name):\n        raise AttributeError(name)\n',
    'import sys\n\nNEW = sys.version_info >= (3, 12)\n',
    'from decimal import Decimal, localcontext\n\n\ndef f(x):\n    with localcontext() as c:\n        c.prec = 6\n        return Decimal(x) / 3\n',
    "from datetime import date\n\n\ndef f(d: date):\n    return d.isoformat(), d.strftime('%d.%m.%Y'), f'{d:%Y}'\n",
)  # fmt: skip
REFUSED = {
    "import ctypes\n": "import",
    "from subprocess import _posixsubprocess\n": "import",
    "from . import sibling\n": "import",
    "from logging import os\n": "import",
    "from random import _os\n": "import",
    "import importlib.util\n": "import",
    "from math import *\n": "import",
    "import pkgutil\n": "import",
    "from typing import get_type_hints\n": "import",
    "eval('1')\n": "builtin",
    "run = exec\n": "builtin",
    "getattr(thing, name)\n": "builtin",
    "reach = getattr\n": "builtin",
    "getattr(thing, '__globals__')\n": "attribute",
    "getattr(thing, '__glo' + 'bals__')\n": "attribute",
    "setattr(thing, 'x', 1)\n": "builtin",
    "thing.__subclasses__()\n": "attribute",
    "thing.f_back\n": "attribute",
    "__loader__\n": "attribute",
    "__spec__\n": "attribute",
    "text = '{0.__globals__}'\n": "string",
    "text = '{0._' + '_globals__}'\n": "string",
    "def pytest_configure():\n    pass\n": "hook",
    "pytest_runtest_setup = print\n": "hook",
    "from parcel import fee as pytest_sessionfinish\n": "hook",
    "def __getattr__x__():\n    pass\n": "attribute",
    "\uff45\uff56\uff41\uff4c('1')\n": "builtin",
    # A module's own names only, and no private ones.
    "import enum\nenum.bltns.eval('1')\n": "attribute",
    "import enum as e\n\n\ndef f():\n    return e.sys\n": "attribute",
    "import dataclasses\ndataclasses._create_fn\n": "attribute",
    "import functools\nfunctools.GenericAlias\n": "attribute",
    "import re\nre._compiler\n": "attribute",
    "import statistics\nstatistics.random\n": "attribute",
    "import os\nos.system('id')\n": "attribute",
    "import sys\nsys.modules\n": "attribute",
    "import asyncio\nasyncio.create_subprocess_exec\n": "attribute",
    "from asyncio import create_subprocess_shell\n": "import",
    "import json\njson.dumps = print\n": "attribute",
    "import parcel\nparcel.os.system('id')\n": "attribute",
    # A module out of sight.
    "import logging\nx = logging\n": "module",
    "import enum\ntools = [enum][0]\n": "module",
    "import enum\n\n\ndef f(tools=enum):\n    return tools.bltns\n": "module",
    "from xml import etree\nkeep = etree\n": "module",
    # Scopes are Python's own.
    "import enum\nx = [0 for enum in ()]\nenum.bltns\n": "attribute",
    "import enum\n\n\nclass A:\n    x = enum.bltns\n    enum = 1\n": "attribute",
    "import enum\n\n\ndef f():\n    global enum\n    return enum.bltns\n    enum = 1\n": "attribute",
    # Private to another class.
    "def f(x):\n    return x._secret\n": "private",
    "class A:\n    def f(self):\n        return self._secret\n": "private",
    "from pathlib import PosixPath\n\n\nclass P(PosixPath):\n    _flavour = 1\n\n    def f(self):\n        return self._flavour\n": "attribute",
    "from decimal import Decimal\n\n\nclass D:\n    _x = 1\n\n\ndef f():\n    return Decimal(1)._x\n": "private",
    # Patterns read attributes.
    "match f:\n    case object(__globals__=scope):\n        pass\n": "attribute",
    "def g(x):\n    match x:\n        case object(gi_frame=frame):\n            return frame\n": "attribute",
    "class T:\n    __match_args__ = ('_' + '_globals__',)\n": "pattern",
    "class T:\n    __match_args__ = ('gi_frame',)\n": "attribute",
    "def g(x, kind):\n    match x:\n        case kind(first):\n            return first\n": "pattern",
    "from dataclasses import dataclass\n\n\n@dataclass\nclass G:\n    gi_frame: object\n": "attribute",
    "from collections import namedtuple\n\nG = namedtuple('G', 'gi_' + 'frame')\n": "attribute",
    "from collections import namedtuple\n\n\ndef g(names):\n    return namedtuple('G', names)\n": "builtin",
    # Formats read attributes.
    "def f(template, x):\n    return template.format(x)\n": "format",
    "def f(template, x):\n    return str.format(template, x)\n": "format",
    "def f(x):\n    return ('{0._' + x).format(x)\n": "format",
    "def f(x):\n    return '{0.gi_frame.f_back}'.format(x)\n": "format",
    "def f(x):\n    return '{0:{1.gi_frame}}'.format(x, x)\n": "format",
    "def f(template, x):\n    return template.format_map(x)\n": "format",
    "def f(xs):\n    return list(map(str.format, xs))\n": "format",
    "import string\n\n\ndef f(x):\n    return string.Formatter().format('{0.a}', x)\n": "attribute",
    "import logging\n\n\ndef f(text):\n    return logging.Formatter(text, style='{')\n": "format",
    # Annotations are evaluated, by singledispatch for one.
    "def f(x: 'print(1)'):\n    return x\n": "annotation",
    "def f(x: '().__class__.__base__'):\n    return x\n": "attribute",
    "def f(x: print(1)):\n    return x\n": "annotation",
    "class A:\n    x: 'import os' = 1\n": "annotation",
    "def f():\n    return f.__annotations__\n": "attribute",
    "class M(type):\n    pass\n": "builtin",
    "class A(metaclass=print):\n    pass\n": "builtin",
    "from operator import methodcaller\n\n\ndef f(name):\n    return methodcaller(name)\n": "builtin",
    "from operator import attrgetter\n\n\ndef f():\n    return attrgetter('a.__globals__')\n": "attribute",
    "from operator import attrgetter\n\nreach = attrgetter\n": "builtin",
    "import unittest\n": "import",
    # What reads like another name, or cannot be read.
    "b\u0430se = 1\n": "confusable",
    "\u0441\u043e\u0440\u0435 = 1\n": "confusable",
    "\u0131f = 1\n": "confusable",
    "x = 'a\u200bb'\n": "invisible",
    "x = 1  # \u202e\n": "invisible",
    # Paths that leave the folder of the block.
    "from pathlib import Path\n\n\ndef f():\n    return Path.home()\n": "path",
    "from pathlib import Path\n\n\ndef f(p: Path):\n    return (p / 'x').expanduser()\n": "path",
}  # fmt: skip
IN_TESTS = {
    "from unittest import mock\nmock.patch('os.getpid')\n": "patch",
    "from unittest.mock import patch as p\n\nTARGET = 'os.getpid'\np(TARGET)\n": "patch",
    "from unittest import mock\n\nswap = mock.patch\n": "builtin",
    "from unittest import mock\nimport parcel\n\n\ndef test_x(name):\n    mock.patch.object(parcel, name)\n": "patch",
    "from unittest import mock\nimport parcel\n\n\ndef test_x():\n    mock.patch.object(parcel.fee, '__code__', 1)\n": "string",
    "def test_x(monkeypatch):\n    monkeypatch.setattr('os.getpid', 1)\n": "patch",
    "def test_x(monkeypatch, target):\n    monkeypatch.setattr(target, 1)\n": "patch",
    "import json\n\n\ndef test_x(monkeypatch):\n    monkeypatch.setattr(json, 'dumps', 1)\n": "patch",
    "import parcel\n\n\ndef test_x(monkeypatch, name):\n    monkeypatch.setattr(parcel, name, 1)\n": "patch",
    "def test_x(monkeypatch):\n    monkeypatch.syspath_prepend('/')\n": "patch",
    "from unittest import mock\n\n\ndef test_x(name):\n    mock.patch(f'parcel.{name}')\n": "patch",
    "def test_x(pytestconfig):\n    pass\n": "fixture",
    "import pytest\n\n\n@pytest.fixture\ndef cache(cache):\n    return cache\n": "fixture",
    "import pytest\n\n\n@pytest.fixture(name='store')\ndef cache():\n    return 1\n\n\ndef test_x(cache):\n    pass\n": "fixture",
    "import pytest\n\n\n@pytest.fixture\ndef cache():\n    return 1\n\n\ncache = 2\n\n\ndef test_x(cache):\n    pass\n": "fixture",
    "import pytest\n\n\nclass TestX:\n    @pytest.fixture\n    def cache(self):\n        return 1\n\n\ndef test_x(cache):\n    pass\n": "fixture",
    "import pytest\n\n\n@pytest.mark.parametrize('cache', [1], indirect=True)\ndef test_x(cache):\n    pass\n": "fixture",
    "import pytest\n\n\n@pytest.mark.parametrize('cache', [1])\ndef test_x(cache):\n    pass\n\n\ntest_x.pytestmark.clear()\n": "fixture",
    "import pytest\n\n\ndef config(pytestconfig):\n    return pytestconfig\n\n\nplace = pytest.fixture(config)\n": "fixture",
    "import pytest\n\n\nclass Config:\n    def __init__(self, pytestconfig):\n        self.config = pytestconfig\n\n\nplace = pytest.fixture(Config)\n": "fixture",
    "import pytest\n\n\nclass Config:\n    def take(self, pytestconfig):\n        return pytestconfig\n\n\nplace = pytest.fixture(Config().take)\n": "fixture",
    "class TestX:\n    def test_x(self, pytestconfig):\n        pass\n": "fixture",
    "def test_x(request):\n    request.config.hook\n": "fixture",
    "def test_x(request):\n    request.getfixturevalue('pytestconfig')\n": "fixture",
    "def test_x(request):\n    match request:\n        case object(config=c):\n            pass\n": "fixture",
    "import _pytest\n": "import",
    "import pytest\npytest.importorskip('os')\n": "attribute",
    "import pytest\npytest.main([])\n": "attribute",
    "import pytest\n\n\n@pytest.mark.skipif('__import__')\ndef test_x():\n    pass\n": "fixture",
    "import pytest\n\n\n@pytest.mark.xfail\ndef test_x():\n    pass\n": "fixture",
    "import unittest\nunittest.defaultTestLoader.loadTestsFromName('os')\n": "attribute",
    "import unittest as u\nu.main('os')\n": "attribute",
    "pytest_plugins = ['x']\n": "hook",
    "for pytest_plugins in (['x'],):\n    pass\n": "hook",
    "(pytest_plugins := 'x')\n": "hook",
    "class pytest_sessionstart:\n    pass\n": "hook",
    "import subprocess\nsubprocess.run(['id'])\n": "capability",
    "import os\n\n\ndef test_x():\n    os.environ['A'] = '1'\n": "capability",
}


@pytest.mark.parametrize("source", ALLOWED)
def test_what_computes_is_allowed(source: str) -> None:
    assert find_refusals("x.py", source, OWN, is_test=False) == ()


@pytest.mark.parametrize(("source", "rule"), REFUSED.items())
def test_what_reaches_out_is_refused(source: str, rule: str) -> None:
    found = find_refusals("x.py", source, OWN, is_test=False)

    assert f"allowlist-{rule}" in {finding.rule for finding in found}
    # A path in a text is a note where nothing may open it.
    severities = {finding.severity for finding in found if "names a place outside" not in finding.message}
    assert severities == {"error"}
    assert all(finding.path == "x.py" and finding.line > 0 for finding in found)


@pytest.mark.parametrize(("source", "rule"), IN_TESTS.items())
def test_what_tests_may_not(source: str, rule: str) -> None:
    assert f"allowlist-{rule}" in {
        finding.rule for finding in find_refusals("test_x.py", source, OWN, is_test=True)
    }


@pytest.mark.parametrize(
    "source",
    [
        "import pytest\nimport unittest.mock\n",
        "import parcel\n\n\ndef test_x(monkeypatch):\n    monkeypatch.setattr(parcel, 'fee', 1)\n",
        "from unittest import mock\n\n\ndef test_x():\n    mock.patch('parcel.fee')\n",
        "import pytest\n\n\n@pytest.fixture(params=[1, 2])\ndef store(request):\n    return request.param\n",
        "import pytest\n\n\n@pytest.mark.parametrize('x', [1])\ndef test_x(x, tmp_path):\n    (tmp_path / 'a').write_text('b')\n",
        "import unittest\n\n\nclass TestFee(unittest.TestCase):\n    def test_x(self):\n        self.assertEqual(1, 1)\n",
        "import pytest\n\n\n@pytest.fixture\ndef cache():\n    return {}\n\n\ndef test_x(cache):\n    assert not cache\n",
        "import pytest\n\n\n@pytest.mark.parametrize(('cache', 'size'), [({}, 0)], ids=['none'])\ndef test_x(cache, size):\n    assert len(cache) == size\n",
        "def fill(cache):\n    cache['a'] = 1\n    return cache\n\n\ndef test_x():\n    assert fill({})\n",
        "class Store:\n    def __init__(self, cache):\n        self.cache = cache\n\n    def read(self, cache):\n        return cache\n\n\ndef test_x():\n    assert Store({}).read({}) == {}\n",
        "import random\nimport time\n\n\ndef test_x():\n    assert random.random() < time.time()\n",
        "from parcel import _round\n\n\ndef test_x():\n    assert _round(1) == 1\n",
        "from hypothesis import given, strategies as st\n\n\n@given(st.text())\ndef test_x(text):\n    assert text\n",
    ],
)
def test_what_tests_may(source: str) -> None:
    assert find_refusals("test_x.py", source, OWN, is_test=True, private=["_round"]) == ()


def test_modules_may_import_no_test_tools() -> None:
    tools = ALLOWED_TEST_MODULES - ALLOWED_MODULES

    assert {"pytest", "unittest", "unittest.mock", "hypothesis"} < tools
    assert find_refusals("x.py", "import pytest\n", OWN, is_test=False)


def test_each_refusal_says_where_why_and_what_instead() -> None:
    source = "import enum\n\n\ndef f(text, x):\n    return text.format(x), enum.bltns\n"

    named, formatted = find_refusals("x.py", source, OWN, is_test=False)

    said = (
        "bltns is not a name of enum that code may use; compute without it, or take the value as an argument"
    )
    assert (named.line, named.message) == (5, said)
    assert formatted.message.endswith("use an f-string, or call format on a literal text")
