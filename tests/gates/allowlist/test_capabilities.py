"""What a module uses beyond computing has to be declared."""

import pytest

from gates.allowlist import CAPABILITIES, describe_rules, find_capability_uses, find_refusals
from gates.allowlist.library import load_library

USES: dict[str, set[str]] = {
    "import datetime as d\n\n\ndef f():\n    return d.datetime.now(d.UTC)\n": {"clock"},
    "from datetime import date as day\n\n\ndef f(x: day):\n    return x.today()\n": {"clock"},
    "import time\n\n\ndef f(wait=time.sleep):\n    wait(1)\n": {"clock"},
    "import random\n\n\ndef f():\n    return random.Random().random()\n": {"randomness"},
    "import random\n\n\ndef f(source=random.Random):\n    return source().random()\n": {"randomness"},
    "from uuid import uuid4\n\n\ndef f():\n    return uuid4()\n": {"randomness"},
    "import secrets\n\n\ndef f(a, b):\n    return secrets.compare_digest(a, b)\n": set(),
    "def f(path):\n    with open(path) as file:\n        return file.read()\n": {"files:read"},
    "def f(path):\n    with open(path, 'w') as file:\n        file.write('x')\n": {"files:write"},
    "def f(path, mode):\n    return open(path, mode)\n": {"files:read", "files:write"},
    "reach = open\n": {"files:read", "files:write"},
    "from pathlib import Path\n\n\ndef f(path: Path):\n    return path.exists()\n": {"files:read"},
    "from pathlib import Path\n\n\ndef f(path):\n    (Path(path) / 'a').mkdir()\n": {"files:write"},
    "def f(path):\n    return path.read_text()\n": {"files:read"},
    "def f(door):\n    return door.open(), door.exists, door.rename('x')\n": set(),
    "import sqlite3\n\n\ndef f(path):\n    return sqlite3.connect(path)\n": {"files:read", "files:write"},
    "import sqlite3\n\n\ndef f():\n    return sqlite3.connect(':memory:').execute('select random()')\n": {"randomness"},
    "import sqlite3\n\n\ndef f():\n    return sqlite3.connect(':memory:').execute('select date(?)', ('now',))\n": {"clock"},
    "import sqlite3\n\n\ndef f(day):\n    return sqlite3.connect(':memory:').execute('select date(?)', (day,))\n": set(),
    "NOW = 'now'\nQUERY = 'current_timestamp'\n": set(),
    "import shlex\n\n\ndef f(text):\n    return shlex.split(text)\n": set(),
    "import shlex\n\n\ndef f(text):\n    return list(shlex.shlex(text))\n": {"files:read"},
    "from statistics import NormalDist\n\n\ndef f():\n    return NormalDist().samples(3)\n": {"randomness"},
    "from statistics import NormalDist\n\n\ndef f():\n    return NormalDist().samples(3, seed=7)\n": set(),
    "import os\n\n\ndef f():\n    return os.environ['A'], os.getenv('B')\n": {"environment"},
    "from os import environ\n\n\ndef f():\n    return environ.get('A')\n": {"environment"},
    "import argparse\n\n\ndef f(parser: argparse.ArgumentParser):\n    return parser.parse_args()\n": {"environment"},
    "from urllib.request import urlopen\n\n\ndef f(url):\n    return urlopen(url).read()\n": {"network"},
    "import subprocess\n\n\ndef f():\n    return subprocess.run(['id'], check=True)\n": {"subprocess"},
}  # fmt: skip


@pytest.mark.parametrize(("source", "used"), USES.items())
def test_what_is_used_is_found_and_refused_until_it_is_declared(source: str, used: set[str]) -> None:
    assert {capability for capability, _ in find_capability_uses(source, ())} == used

    refused = {f.rule for f in find_refusals("x.py", source, (), is_test=False) if "on-import" not in f.rule}
    assert refused == ({"allowlist-capability"} if used else set())
    assert not find_refusals("x.py", source, (), is_test=False, capabilities=used)


def test_a_refusal_names_the_capability_and_what_it_lets_a_block_do() -> None:
    found = find_refusals("x.py", "import time\n\n\ndef f():\n    return time.time()\n", (), is_test=False)

    assert [f.message for f in found] == [
        (
            "time.time needs the capability clock (read the clock or wait); take the value as an argument, "
            "or declare it where plan and organisation allow it"
        )
    ]


def test_every_capability_of_the_list_of_names_is_one() -> None:
    needed = {capability for names in load_library().values() for capability in names.values()}
    assert needed - {""} <= CAPABILITIES.keys()


def test_the_rules_name_the_modules_and_the_capabilities_that_are_allowed() -> None:
    plain, with_network = describe_rules(), describe_rules(["network", "clock"])

    assert "urllib.request" not in plain
    assert "json, " in plain
    assert "Take such values as arguments" in plain
    assert "urllib.request" in with_network
    assert "`network`: open connections by HTTP; `clock`: read the clock or wait." in with_network
    assert "subprocess" not in with_network
