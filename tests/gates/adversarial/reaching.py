"""Blocks that reach out of themselves, act when they are imported, or are not what they look like.

The security gate reads their text and has to refuse each of them alone.
"""

from gates.base import Candidate
from tests.gates.blocks import MODULE, TESTS, block

_PROBE = "def _probe():\n    yield 0\n\n\n"

# After the module of a sound block.
IN_MODULES: dict[str, str] = {
    # Attributes by another way than a dot.
    "pattern-globals": f"{_PROBE}def reach(x):\n    match _probe:\n        case object(__globals__=scope):\n            return scope\n",
    "pattern-frame": f"{_PROBE}def reach():\n    match _probe():\n        case object(gi_frame=object(f_back=frame)):\n            return frame\n",
    "pattern-positions": "from abc import ABC\n\n\nclass Any(ABC):\n    __match_args__ = ('_' + '_globals__',)\n\n\nAny.register(type(fee))\n\n\ndef reach():\n    match fee:\n        case Any(scope):\n            return scope\n",
    "pattern-fields": f"from abc import ABC\nfrom dataclasses import dataclass\n\n\n@dataclass\nclass Any(ABC):\n    gi_frame: object\n\n\n{_PROBE}def reach():\n    match _probe():\n        case Any(frame):\n            return frame\n",
    "pattern-namedtuple": "from collections import namedtuple\n\nAny = namedtuple('Any', ['gi' + '_frame'])\n",
    "format-pieces": "PIECES = ['{0._', '_globals__}']\n\n\ndef reach():\n    return ''.join(PIECES).format(fee)\n",
    "format-argument": "def reach(template):\n    return template.format(fee)\n",
    "format-reversed": "def reach():\n    return '}__slabolg__.0{'[::-1].format(fee)\n",
    "format-map": "def reach(template):\n    return template.format_map({'x': fee})\n",
    "format-unbound": "def reach(template):\n    return str.format(template, fee)\n",
    "format-as-value": "def reach(templates):\n    return list(map(str.format, templates))\n",
    "format-of-log": "import logging\n\n\ndef reach(template):\n    return logging.Formatter(template, None, '{')\n",
    "getattr-joined": "def reach():\n    return getattr(fee, ''.join(['__glo', 'bals__']))\n",
    "getattr-partial": "from functools import partial\n\nreach = partial(getattr, fee)\n",
    "attrgetter": "from operator import attrgetter as get\n\n\ndef reach():\n    return get('_' + '_globals__')(fee)\n",
    "attrgetter-variable": "import operator\n\n\ndef reach(name):\n    return operator.attrgetter(name)(fee)\n",
    "methodcaller": "import operator\n\n\ndef reach(name):\n    return operator.methodcaller(name)(fee)\n",
    "getattribute": "def reach(name):\n    return object.__getattribute__(fee, name)\n",
    # Names that modules import for themselves.
    "enum-builtins": "import enum\n\n\ndef reach(text):\n    return enum.bltns.eval(text)\n",
    "create-function": "import dataclasses\n\n\ndef reach():\n    return dataclasses._create_fn('f', [], ['return 1'])\n",
    "make-dataclass": "import dataclasses\n\n\ndef reach(names):\n    return dataclasses.make_dataclass('A', names)\n",
    "modules-of-sys": "import sys\n\n\ndef reach():\n    return sys.modules['os']\n",
    "system-of-os": "from os import system\n",
    "module-in-variable": "import tempfile\n\nTOOLS = (tempfile,)\n\n\ndef reach():\n    return TOOLS[0].os.system('id')\n",
    "module-as-default": "import random\n\n\ndef reach(source=random):\n    return source._os.system('id')\n",
    "comprehension-shadow": "import logging\n\n\ndef reach():\n    return [1 for logging in ()], logging.os.system('id')\n",
    "class-shadow": "import logging\n\n\nclass Reach:\n    SYSTEM = logging.sys\n    logging = 1\n",
    "star-import": "from dataclasses import *\n",
    "private-import": "from enum import _make_class_unpicklable\n",
    "private-of-inherited": "import pathlib\n\n\nclass Reach(pathlib.PosixPath):\n    def go(self):\n        return self._flavour.pathmod.os.system('id')\n",
    "private-of-other": "import random\n\n\ndef reach(source):\n    return source._os\n",
    # Loaders by name, and texts that are evaluated.
    "spec": "def reach():\n    return __spec__.loader.load_module('os')\n",
    "loader": "LOADER = __loader__\n",
    "importlib-resources": "from importlib import resources\n",
    "pkgutil": "from pkgutil import resolve_name\n",
    "runpy": "import runpy\n",
    "string-annotation": "from functools import singledispatch\n\n\n@singledispatch\ndef show(x):\n    return x\n\n\n@show.register\ndef _(x: \"print('x')\"):\n    return x\n",
    "annotation-call": "def shown(x: print('x')) -> int:\n    return x\n",
    "annotations-changed": "def reach(text):\n    fee.__annotations__['weight'] = text\n",
    "forward-reference": "from typing import ForwardRef\n",
    "metaclass": "class Meta(type):\n    def __call__(cls, *args):\n        return fee(*args)\n",
    "loop-of-asyncio": "import asyncio\n\n\ndef reach():\n    return asyncio.get_event_loop().subprocess_exec(asyncio.Protocol, 'id')\n",
    "changes-the-library": "import json\n\n\ndef reach():\n    json.dumps = str\n",
    # Capabilities that nobody declared.
    "reads-home": "from pathlib import Path\n\n\ndef reach():\n    return (Path.home() / '.netrc').read_text()\n",
    "reads-passwords": "def reach():\n    with open('/etc/passwd') as file:\n        return file.read()\n",
    "reads-environment": "import os\n\n\ndef reach():\n    return os.environ.get('TOKEN')\n",
    "opens-by-alias": "reach = open\n",
    "writes-a-file": "from pathlib import Path as P\n\n\ndef reach(p: P):\n    p.write_text('x')\n",
    "sends": "from urllib import request\n\n\ndef reach(data):\n    request.urlopen('http://example.org', data)\n",
    "starts": "from subprocess import run as fee_of\n\n\ndef reach():\n    fee_of(['id'])\n",
    "base-in-a-file": "import sqlite3 as db\n\n\ndef reach():\n    return db.connect('/tmp/x.db')\n",
    "reads-the-clock": "from datetime import datetime\n\n\ndef reach():\n    now = datetime.now\n    return now().year\n",
    "clock-of-a-value": "from datetime import date\n\n\ndef reach():\n    return date(2000, 1, 1).today().year\n",
    "draws": "from random import Random as Source\n\n\ndef reach():\n    return Source().random()\n",
    # Acts when it is imported.
    "prints-on-import": "print('hello')\n",
    "acts-in-a-function": "def _set_up():\n    print('hello')\n    return 1\n\n\nSTATE = _set_up()\n",
    "acts-in-a-class": "class State:\n    def __init__(self):\n        print('hello')\n\n\nSTATE = State()\n",
    "acts-in-a-decorator": "def loud(function):\n    print('hello')\n    return function\n\n\n@loud\ndef again(x):\n    return x\n",
    "acts-when-inherited": "class Base:\n    def __init_subclass__(cls):\n        print('hello')\n\n\nclass Heir(Base):\n    pass\n",
    "acts-in-a-default": "def again(x=print('hello')):\n    return x\n",
    "acts-in-a-key": "ORDER = sorted('ba', key=lambda x: print(x) or x)\n",
    "starts-a-thread": "import threading\n\nWATCH = threading.Thread(target=fee)\nWATCH.start()\n",
    "sets-up-logging": "import logging\n\nlogging.basicConfig(level=0)\n",
    "waits-on-import": "while False:\n    pass\n",
    # Not what it looks like.
    "cyrillic-name": "def again(b\u0430se, base):\n    return b\u0430se\n",
    "greek-name": "\u03bfwner = 1\n",
    "dotless-name": "l\u0131mit = 1\n",
    "zero-width-text": "LIMITS = {'a\u200b': 1, 'a': 2}\n",
    "direction-mark": "LIMIT = 1  # \u202e 2 = TIMIL\n",
}  # fmt: skip

# After the tests of a sound block.
IN_TESTS: dict[str, str] = {
    "plugins": "pytest_plugins = ['test_parcel']\n",
    "hook-by-assignment": "pytest_runtest_setup = lambda item: None\n",
    "hook-by-import": "from parcel import fee as pytest_runtest_logreport\n",
    "hook-by-loop": "for pytest_collection_modifyitems in (fee,):\n    pass\n",
    "loader-by-name": "import unittest\n\nunittest.defaultTestLoader.loadTestsFromName('os')\n",
    "main-by-name": "from unittest import main\n\nmain('os', exit=False)\n",
    "condition-as-text": "@pytest.mark.skipif('1 == 2')\ndef test_more():\n    assert fee(1) == 250\n",
    "patch-in-a-variable": "TARGET = 'os.getpid'\n\n\ndef test_more(monkeypatch):\n    monkeypatch.setattr(TARGET, fee)\n    assert fee(1) == 250\n",
    "patch-by-parameter": "@pytest.mark.parametrize('target', ['os.getpid'])\ndef test_more(monkeypatch, target):\n    monkeypatch.setattr(target, fee)\n    assert fee(1) == 250\n",
    "patch-by-alias": "from unittest.mock import patch as swap\n\n\ndef test_more():\n    with swap('_pytest.runner.call_runtest_hook'):\n        assert fee(1) == 250\n",
    "patch-attribute": "from unittest import mock\nimport parcel\n\n\ndef test_more():\n    with mock.patch.object(parcel.fee, '__co' + 'de__', 1):\n        assert fee(1) == 250\n",
    "patch-the-library": "import json\n\n\ndef test_more(monkeypatch):\n    monkeypatch.setattr(json, 'dumps', fee)\n    assert fee(1) == 250\n",
    "request-config": "@pytest.fixture\ndef place(request):\n    return request.config\n",
    "request-by-name": "@pytest.fixture\ndef place(request):\n    return request.getfixturevalue('pytestconfig')\n",
    "request-by-pattern": "def test_more(request):\n    match request:\n        case object(session=s):\n            assert s\n",
    "request-handed-over": "def test_more(request):\n    assert vars_of(request)\n",
    "import-path": "def test_more(monkeypatch):\n    monkeypatch.syspath_prepend('.')\n    assert fee(1) == 250\n",
    "traceback-by-pattern": "def test_more():\n    try:\n        fee(0)\n    except ValueError as error:\n        match error:\n            case object(__traceback__=object(tb_frame=frame)):\n                assert frame\n",
    "environment-of-tests": "import os\n\n\ndef test_more():\n    assert 'PYTEST_CURRENT_TEST' in os.environ\n",
    "starts-a-program": "import subprocess\n\n\ndef test_more():\n    assert subprocess.run(['true']).returncode == 0\n",
}  # fmt: skip


def list_reaching() -> dict[str, Candidate]:
    """Name to block, for every kind above."""
    found = {name: block(module=f"{MODULE}\n\n{text}") for name, text in IN_MODULES.items()}
    return found | {f"tests-{name}": block(tests=f"{TESTS}\n\n{text}") for name, text in IN_TESTS.items()}
