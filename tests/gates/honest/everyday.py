"""Blocks of every day, of kinds that the other files lack: packages, tools, parsers, queues, bases in memory.

Each has the tests that its author would write, in the style that the author likes.
"""

from tests.gates.honest.realistic import Realistic, Schema, array_of, entry_point, object_of, text_of, whole

_WORD = text_of("^[a-z]{1,6}$")
_ANY_TEXT: Schema = {"type": "string", "maxLength": 40}
_ROW = array_of(whole(-9, 9), most=3, least=3)

EVERYDAY = [
    Realistic(
        "matrices",
        '''"""Small matrices of whole numbers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class _Matrix:
    rows: tuple[tuple[int, ...], ...]

    @classmethod
    def read(cls, rows: list[list[int]]) -> _Matrix:
        return cls(tuple(tuple(row) for row in rows))

    def __matmul__(self, other: _Matrix) -> _Matrix:
        columns = list(zip(*other.rows))
        return _Matrix(
            tuple(tuple(sum(a * b for a, b in zip(row, column)) for column in columns) for row in self.rows)
        )

    def __pow__(self, exponent: int) -> _Matrix:
        size = len(self.rows)
        result = _Matrix(tuple(tuple(int(r == c) for c in range(size)) for r in range(size)))
        for _ in range(exponent):
            result = result @ self
        return result


def multiply(left: list[list[int]], right: list[list[int]]) -> list[list[int]]:
    """The product of two matrices by rows."""
    return [list(row) for row in (_Matrix.read(left) @ _Matrix.read(right)).rows]


def power(rows: list[list[int]], exponent: int) -> list[list[int]]:
    """A square matrix times itself, ``exponent`` times."""
    return [list(row) for row in (_Matrix.read(rows) ** exponent).rows]
''',
        """from matrices import multiply, power


def test_product():
    assert multiply([[1, 2], [3, 4]], [[5, 6], [7, 8]]) == [[19, 22], [43, 50]]


def test_product_of_other_shapes():
    assert multiply([[1, 2, 3]], [[1], [0], [2]]) == [[7]]
    assert multiply([[2], [3]], [[4, 5]]) == [[8, 10], [12, 15]]


def test_powers():
    fibonacci = [[1, 1], [1, 0]]
    assert power(fibonacci, 0) == [[1, 0], [0, 1]]
    assert power(fibonacci, 1) == fibonacci
    assert power(fibonacci, 7) == [[21, 13], [13, 8]]
""",
        [
            entry_point(
                "multiply",
                object_of(left=array_of(_ROW, most=3, least=1), right=array_of(_ROW, most=3, least=3)),
                array_of({"type": "array", "items": {"type": "integer"}, "maxItems": 3}, most=3),
            ),
            entry_point(
                "power",
                object_of(rows=array_of(_ROW, most=3, least=3), exponent=whole(0, 5)),
                array_of({"type": "array", "items": {"type": "integer"}, "maxItems": 3}, most=3),
            ),
        ],
    ),
    Realistic(
        "paragraphs",
        '''"""Breaks text into lines."""


def wrap(text: str, width: int) -> list[str]:
    """Lines of at most ``width`` characters; a word that is longer has a line of its own."""
    lines: list[str] = []
    current = ""
    for word in text.split():
        if not current:
            current = word
        elif len(current) + 1 + len(word) <= width:
            current += " " + word
        else:
            lines.append(current)
            current = word
    if current:
        lines.append(current)
    return lines
''',
        """import unittest

from paragraphs import wrap


class WrapTest(unittest.TestCase):
    def setUp(self):
        self.text = "the quick brown fox jumps"

    def test_widths(self):
        for width, expected in [
            (9, ["the quick", "brown fox", "jumps"]),
            (10, ["the quick", "brown fox", "jumps"]),
            (15, ["the quick brown", "fox jumps"]),
            (99, ["the quick brown fox jumps"]),
        ]:
            with self.subTest(width=width):
                self.assertEqual(wrap(self.text, width), expected)

    def test_long_word(self):
        self.assertListEqual(wrap("a bbbbbb c", 3), ["a", "bbbbbb", "c"])

    def test_blank(self):
        self.assertEqual(wrap("  \\n ", 5), [])
""",
        [
            entry_point(
                "wrap", object_of(text=_ANY_TEXT, width=whole(1, 30)), array_of({"type": "string"}, most=40)
            )
        ],
    ),
    Realistic(
        "account_book",
        '''"""Accounts in a base in memory."""

import sqlite3

_SCHEMA = """
create table account (name text primary key, cents integer not null check (cents >= 0));
create table transfer (id integer primary key, source text, target text, cents integer);
"""


class AccountBook:
    """Moves money between accounts, all or nothing."""

    def __init__(self, opening: dict[str, int]) -> None:
        self._base = sqlite3.connect(":memory:")
        self._base.executescript(_SCHEMA)
        with self._base:
            self._base.executemany("insert into account values (?, ?)", sorted(opening.items()))

    def transfer(self, moves: list[list]) -> dict[str, int]:
        """Balances after each of ``moves`` (source, target, cents); moves that overdraw are left out."""
        for source, target, cents in moves:
            try:
                with self._base:
                    self._base.execute("update account set cents = cents - ? where name = ?", (cents, source))
                    self._base.execute("update account set cents = cents + ? where name = ?", (cents, target))
                    self._base.execute(
                        "insert into transfer (source, target, cents) values (?, ?, ?)", (source, target, cents)
                    )
            except sqlite3.IntegrityError:
                continue
        return dict(self._base.execute("select name, cents from account order by name"))

    def history(self) -> list[tuple]:
        """Every transfer that was made."""
        return self._base.execute("select source, target, cents from transfer order by id").fetchall()
''',
        """import pytest
from account_book import AccountBook


@pytest.fixture
def book():
    return AccountBook({"ann": 100, "bob": 50})


def test_moves(book):
    assert book.transfer([["ann", "bob", 30], ["bob", "ann", 5]]) == {"ann": 75, "bob": 75}
    assert book.history() == [("ann", "bob", 30), ("bob", "ann", 5)]


def test_an_overdraft_moves_nothing(book):
    assert book.transfer([["bob", "ann", 51], ["bob", "ann", 50]]) == {"ann": 150, "bob": 0}
    assert book.history() == [("bob", "ann", 50)]


def test_no_moves(book):
    assert book.transfer([]) == {"ann": 100, "bob": 50}
    assert book.history() == []
""",
        [
            entry_point(
                "AccountBook.transfer",
                object_of(
                    moves=array_of(
                        {
                            "type": "array",
                            "prefixItems": [{"enum": ["a", "b"]}, {"enum": ["b", "c"]}, whole(1, 60)],
                            "items": False,
                            "minItems": 3,
                        }
                    )
                ),
                {"type": "object", "additionalProperties": {"type": "integer", "minimum": 0}},
                construct=object_of(opening=object_of(a=whole(0, 90), b=whole(0, 90), c=whole(0, 90))),
            ),
            entry_point(
                "AccountBook.history",
                object_of(),
                {"type": "array", "items": {"type": "array", "items": {"type": ["string", "integer"]}}},
                construct=object_of(opening=object_of(a=whole(0, 90), b=whole(0, 90))),
            ),
        ],
    ),
    Realistic(
        "stream_batches",
        '''"""Batches of a stream."""

import asyncio
from collections.abc import AsyncIterator


async def batches(items: list[int], size: int) -> AsyncIterator[list[int]]:
    """``items`` in lists of ``size``; the last one may be shorter."""
    batch: list[int] = []
    for item in items:
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch = []
            await asyncio.sleep(0)
    if batch:
        yield batch


async def total(items: list[int], size: int) -> int:
    """The sum of all items, batch by batch, each added in a task of its own."""

    async def add(batch: list[int]) -> int:
        await asyncio.sleep(0)
        return sum(batch)

    tasks = [asyncio.create_task(add(batch)) async for batch in batches(items, size)]
    return sum(await asyncio.gather(*tasks))
''',
        """import asyncio

import pytest
from stream_batches import batches, total


def collect(items, size):
    async def run():
        return [batch async for batch in batches(items, size)]

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("items", "size", "expected"),
    [
        ([1, 2, 3, 4], 2, [[1, 2], [3, 4]]),
        ([1, 2, 3], 2, [[1, 2], [3]]),
        ([1, 2], 5, [[1, 2]]),
        ([], 3, []),
    ],
)
def test_batches(items, size, expected):
    assert collect(items, size) == expected


def test_total():
    assert asyncio.run(total([1, 2, 3, 4, 5], 2)) == 15
    assert asyncio.run(total([], 2)) == 0
""",
        [
            entry_point(
                "batches",
                object_of(items=array_of(whole(-9, 9)), size=whole(1, 4)),
                array_of(array_of(whole(-9, 9), least=1)),
            ),
            entry_point("total", object_of(items=array_of(whole(-9, 9)), size=whole(1, 4)), whole(-60, 60)),
        ],
    ),
    Realistic(
        "task_tool",
        '''"""A command with subcommands."""

import argparse


def _make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="task", add_help=False)
    commands = parser.add_subparsers(dest="command", required=True)
    add = commands.add_parser("add")
    add.add_argument("title")
    add.add_argument("--urgent", action="store_true")
    show = commands.add_parser("list")
    show.add_argument("--limit", type=int, default=3)
    return parser


def run(words: list[str], tasks: list[str]) -> list[str]:
    """The tasks after the command in ``words``, or those that it lists."""
    options = _make_parser().parse_args(words)
    if options.command == "add":
        title = options.title.strip()
        return [title, *tasks] if options.urgent else [*tasks, title]
    return tasks[: options.limit]
''',
        """import pytest
from task_tool import run


def test_add():
    assert run(["add", " tea "], ["milk"]) == ["milk", "tea"]


def test_urgent_is_first():
    assert run(["add", "tea", "--urgent"], ["milk"]) == ["tea", "milk"]


def test_list():
    assert run(["list"], ["a", "b", "c", "d"]) == ["a", "b", "c"]
    assert run(["list", "--limit", "1"], ["a", "b"]) == ["a"]


@pytest.mark.parametrize("words", [[], ["fly"], ["add"], ["list", "--limit", "x"]])
def test_usage(words):
    with pytest.raises(SystemExit) as caught:
        run(words, [])
    assert caught.value.code == 2
""",
        [
            entry_point(
                "run",
                object_of(
                    words={
                        "anyOf": [
                            {
                                "type": "array",
                                "prefixItems": [{"const": "add"}, _WORD],
                                "items": False,
                                "minItems": 2,
                            },
                            {
                                "type": "array",
                                "prefixItems": [
                                    {"const": "list"},
                                    {"const": "--limit"},
                                    text_of("^[0-9]$"),
                                ],
                                "items": False,
                                "minItems": 3,
                            },
                        ]
                    },
                    tasks=array_of(_WORD),
                ),
                array_of({"type": "string"}, most=7),
            )
        ],
    ),
    Realistic(
        "feed_titles",
        '''"""Reads titles from a feed."""

import xml.etree.ElementTree as ET


def titles(xml: str) -> list[str]:
    """The titles of all entries, in order; raises ``ValueError`` for what is not XML."""
    try:
        root = ET.fromstring(xml)
    except ET.ParseError as error:
        raise ValueError(f"not a feed: {error}") from error
    found = []
    for item in root.iter("item"):
        title = item.findtext("title", default="").strip()
        if title:
            found.append(title)
    return found
''',
        """import pytest
from feed_titles import titles

FEED = \"\"\"
<rss><channel><title>News</title>
<item><title> One </title></item><item><link>x</link></item>
<item><title>Two</title></item>
</channel></rss>
\"\"\"


def test_titles():
    assert titles(FEED) == ["One", "Two"]


def test_none():
    assert titles("<rss/>") == []


def test_broken():
    with pytest.raises(ValueError, match="^not a feed: no element found"):
        titles("<rss>")
""",
        [
            entry_point(
                "titles",
                object_of(xml=text_of("^<rss>(<item><title>[a-z ]{0,5}</title></item>){0,4}(</rss>)?$")),
                array_of({"type": "string", "minLength": 1}),
                "ValueError",
                examples=[{"input": {"xml": "<rss>"}, "raises": "ValueError"}],
            )
        ],
    ),
    Realistic(
        "json_pointers",
        '''"""Finds values in documents by JSON pointers (RFC 6901)."""

from typing import Any


def resolve(document: Any, pointer: str) -> Any:
    """The value at ``pointer``; raises ``LookupError`` where there is none."""
    value = document
    for part in pointer.split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        if isinstance(value, list):
            if not key.isascii() or not key.isdigit() or int(key) >= len(value):
                raise LookupError(f"no item {key}")
            value = value[int(key)]
        elif isinstance(value, dict) and key in value:
            value = value[key]
        else:
            raise LookupError(f"no key {key}")
    return value
''',
        """import pytest
from json_pointers import resolve

DOCUMENT = {"a": [10, {"b": "x"}], "m~n": 1, "s/t": 2, "": 3}


@pytest.mark.parametrize(
    "pointer, value",
    [
        ("", DOCUMENT),
        ("/a", [10, {"b": "x"}]),
        ("/a/0", 10),
        ("/a/1/b", "x"),
        ("/m~0n", 1),
        ("/s~1t", 2),
        ("/", 3),
    ],
)
def test_found(pointer, value):
    assert resolve(DOCUMENT, pointer) == value


@pytest.mark.parametrize(
    "pointer, message",
    [("/a/2", "no item 2"), ("/a/x", "no item x"), ("/z", "no key z"), ("/a/0/q", "no key q"), ("/a/²", "no item ²")],
)
def test_missing(pointer, message):
    with pytest.raises(LookupError, match=f"^{message}$"):
        resolve(DOCUMENT, pointer)
""",
        [
            entry_point(
                "resolve",
                object_of(
                    document=object_of(a=array_of(whole(0, 9), most=3, least=2), b=object_of(c=_WORD)),
                    pointer=text_of("^(/a/[0-4]|/b/c|/b/d)$"),
                ),
                {"type": ["integer", "string"]},
                "LookupError",
            )
        ],
    ),
    Realistic(
        "calc",
        '''"""Evaluates sums and products."""

from calc_parser import parse
from calc_tokens import tokenize


def evaluate(text: str) -> int:
    """The value of an expression; raises ``ValueError`` where there is none."""
    return parse(tokenize(text))
''',
        """import pytest
from calc import evaluate


@pytest.mark.parametrize(
    ("text", "value"),
    [("1", 1), ("1+2*3", 7), ("(1+2)*3", 9), ("10-4-3", 3), ("2*(3-(1-5))", 14), (" 12 + 3 ", 15), ("-(2)+5", 3)],
)
def test_values(text, value):
    assert evaluate(text) == value


@pytest.mark.parametrize(
    ("text", "message"),
    [("", "ends early"), ("1+", "ends early"), ("(1", "ends early"), ("1 2", "more than"), (")", "unexpected"), ("a", "character a")],
)
def test_refused(text, message):
    with pytest.raises(ValueError, match=message):
        evaluate(text)
""",
        [
            entry_point(
                "evaluate",
                object_of(text=text_of("^[(]?[0-9]{1,2}([-+*][(]?[0-9]{1,2}[)]?){0,3}$")),
                {"type": "integer"},
                "ValueError",
                examples=[
                    {"input": {"text": "(2+3)*4"}, "output": 20},
                ],
            )
        ],
        private_modules={
            "calc_tokens": '''"""Tokens of an expression."""

import re

_TOKEN = re.compile(r"\\s*(?:(\\d+)|([-+*()]))")


def tokenize(text: str) -> list[str]:
    """Numbers and signs, in order."""
    found, place = [], 0
    text = text.rstrip()
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None:
            raise ValueError(f"unexpected character {text[place:].lstrip()[0]}")
        found.append(match[1] or match[2])
        place = match.end()
    return found
''',
            "calc_parser": '''"""A parser by recursive descent."""


class _Parser:
    def __init__(self, tokens: list[str]) -> None:
        self.tokens, self.place = tokens, 0

    def peek(self) -> str:
        return self.tokens[self.place] if self.place < len(self.tokens) else ""

    def take(self) -> str:
        token = self.peek()
        if not token:
            raise ValueError("the expression ends early")
        self.place += 1
        return token

    def sum(self) -> int:
        value = self.product()
        while self.peek() in ("+", "-"):
            if self.take() == "+":
                value += self.product()
            else:
                value -= self.product()
        return value

    def product(self) -> int:
        value = self.factor()
        while self.peek() == "*":
            self.take()
            value *= self.factor()
        return value

    def factor(self) -> int:
        token = self.take()
        if token == "-":
            return -self.factor()
        if token == "(":
            value = self.sum()
            if self.take() != ")":
                raise ValueError("a bracket is missing")
            return value
        if not token.isdigit():
            raise ValueError(f"unexpected {token}")
        return int(token)


def parse(tokens: list[str]) -> int:
    """The value of the whole expression."""
    parser = _Parser(tokens)
    value = parser.sum()
    if parser.peek():
        raise ValueError("more than one expression")
    return value
''',
        },
    ),
    Realistic(
        "job_queue",
        '''"""A queue of jobs by priority."""

import heapq
import itertools


class _JobQueue:
    """The most urgent job first, jobs of the same priority as they came."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, str]] = []
        self._numbers = itertools.count()

    def put(self, name: str, priority: int) -> None:
        heapq.heappush(self._heap, (-priority, next(self._numbers), name))

    def take(self) -> str:
        """The next job; raises ``LookupError`` where there is none."""
        if not self._heap:
            raise LookupError("no job")
        return heapq.heappop(self._heap)[2]


def order(jobs: list[list]) -> list[str]:
    """Names of (name, priority) in the order in which they are taken."""
    queue = _JobQueue()
    for name, priority in jobs:
        queue.put(name, priority)
    return [queue.take() for _ in jobs]
''',
        """import pytest
from hypothesis import given, strategies as st
from job_queue import _JobQueue, order


@given(st.lists(st.tuples(st.text("ab", min_size=1, max_size=2), st.integers(0, 3))))
def test_order_is_a_stable_sort(jobs):
    assert order(jobs) == [name for name, _ in sorted(jobs, key=lambda job: -job[1])]


def test_example():
    assert order([["a", 1], ["b", 5], ["c", 1]]) == ["b", "a", "c"]


def test_empty():
    with pytest.raises(LookupError, match="^no job$"):
        _JobQueue().take()
""",
        [
            entry_point(
                "order",
                object_of(
                    jobs=array_of(
                        {
                            "type": "array",
                            "prefixItems": [_WORD, whole(-3, 3)],
                            "items": False,
                            "minItems": 2,
                        }
                    )
                ),
                array_of({"type": "string"}),
            ),
        ],
    ),
    Realistic(
        "word_trie",
        '''"""Words by their beginnings."""

from collections.abc import Iterator


class WordTrie:
    """A tree of letters."""

    def __init__(self, words: list[str]) -> None:
        self._root: dict = {}
        for word in words:
            node = self._root
            for letter in word:
                node = node.setdefault(letter, {})
            node[""] = True

    def __contains__(self, word: str) -> bool:
        return "" in self._find(word)

    def starting_with(self, prefix: str) -> list[str]:
        """All words that begin with ``prefix``, sorted."""
        return sorted(prefix + rest for rest in self._walk(self._find(prefix)))

    def _find(self, prefix: str) -> dict:
        node = self._root
        for letter in prefix:
            node = node.get(letter, {})
        return node

    def _walk(self, node: dict) -> Iterator[str]:
        for letter, below in node.items():
            if letter == "":
                yield ""
            else:
                for rest in self._walk(below):
                    yield letter + rest
''',
        """from word_trie import WordTrie

TRIE = WordTrie(["tea", "ten", "to", "te", "in"])


def test_beginnings():
    assert TRIE.starting_with("te") == ["te", "tea", "ten"]
    assert TRIE.starting_with("") == ["in", "te", "tea", "ten", "to"]
    assert TRIE.starting_with("x") == []


def test_words():
    assert "tea" in TRIE
    assert "t" not in TRIE
    assert "teas" not in TRIE
""",
        [
            entry_point(
                "WordTrie.starting_with",
                object_of(prefix=text_of("^[ab]{0,2}$")),
                array_of({"type": "string"}),
                construct=object_of(words=array_of(text_of("^[ab]{0,4}$"))),
            )
        ],
    ),
    Realistic(
        "shipment_states",
        '''"""The states of a shipment."""

from enum import Enum


class State(Enum):
    NEW = "new"
    PAID = "paid"
    SENT = "sent"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        return not _NEXT[self]


_NEXT = {
    State.NEW: {"pay": State.PAID, "cancel": State.CANCELLED},
    State.PAID: {"send": State.SENT, "cancel": State.CANCELLED},
    State.SENT: {},
    State.CANCELLED: {},
}


class NotPossible(ValueError):
    """An event that is not possible in a state."""


def advance(events: list[str]) -> State:
    """The state after ``events``."""
    state = State.NEW
    for event in events:
        if state.is_final or event not in _NEXT[state]:
            raise NotPossible(f"{event} is not possible when {state.value}")
        state = _NEXT[state][event]
    return state
''',
        """import pytest
from shipment_states import NotPossible, State, advance


@pytest.mark.parametrize(
    ("events", "state"),
    [
        ([], State.NEW),
        (["pay"], State.PAID),
        (["pay", "send"], State.SENT),
        (["cancel"], State.CANCELLED),
        (["pay", "cancel"], State.CANCELLED),
    ],
)
def test_ways(events, state):
    assert advance(events) is state


@pytest.mark.parametrize(
    ("events", "message"),
    [
        (["send"], "send is not possible when new"),
        (["pay", "pay"], "pay is not possible when paid"),
        (["cancel", "pay"], "pay is not possible when cancelled"),
        (["pay", "send", "cancel"], "cancel is not possible when sent"),
    ],
)
def test_impossible(events, message):
    with pytest.raises(NotPossible, match=f"^{message}$"):
        advance(events)


def test_final():
    assert [state.is_final for state in State] == [False, False, True, True]
""",
        [
            entry_point(
                "advance",
                object_of(events=array_of({"enum": ["pay", "send", "cancel"]}, most=3)),
                {"enum": ["new", "paid", "sent", "cancelled"]},
                "NotPossible",
            )
        ],
    ),
    Realistic(
        "letter_templates",
        '''"""Fills in letters."""

from string import Template


def fill(text: str, values: dict[str, str]) -> str:
    """``text`` with ``$name`` replaced; raises ``KeyError`` for a name without a value."""
    return Template(text).substitute(values)


def names(text: str) -> list[str]:
    """The names that ``text`` asks for, each once."""
    found = [match["named"] or match["braced"] for match in Template.pattern.finditer(text)]
    return list(dict.fromkeys(name for name in found if name))
''',
        """import pytest
from letter_templates import fill, names


def test_fill():
    assert fill("Dear $name, ${name}!", {"name": "Ann"}) == "Dear Ann, Ann!"
    assert fill("$$5", {}) == "$5"


def test_missing():
    with pytest.raises(KeyError, match="name"):
        fill("$name", {})


def test_names():
    assert names("$a ${b} $a $$c") == ["a", "b"]
    assert names("none") == []
""",
        [
            entry_point(
                "fill",
                object_of(
                    text=text_of("^[a-z ]{0,4}([$](a|b|[{]a[}])){0,2}[ !]$"),
                    values={
                        "type": "object",
                        "properties": {"a": _WORD, "b": _WORD},
                        "required": ["a"],
                        "additionalProperties": False,
                    },
                ),
                {"type": "string"},
                "KeyError",
            ),
            entry_point("names", object_of(text=text_of("^[a-z ]{0,4}([$][a-c] ){0,3}$")), array_of(_WORD)),
        ],
    ),
    Realistic(
        "build_plans",
        '''"""In which order to build what depends on each other."""

from graphlib import CycleError, TopologicalSorter


def plan(needs: dict[str, list[str]]) -> list[list[str]]:
    """Rounds of names that can be built at the same time."""
    sorter = TopologicalSorter(needs)
    try:
        sorter.prepare()
    except CycleError as error:
        raise ValueError("these need each other: " + " ".join(sorted(set(error.args[1])))) from error
    rounds = []
    while sorter.is_active():
        ready = sorted(sorter.get_ready())
        rounds.append(ready)
        sorter.done(*ready)
    return rounds
''',
        """import pytest
from build_plans import plan


@pytest.fixture(params=["app", "site"])
def top(request):
    return request.param


def test_rounds(top):
    assert plan({top: ["lib", "css"], "lib": ["core"]}) == [["core", "css"], ["lib"], [top]]


def test_nothing_needed():
    assert plan({"b": [], "a": []}) == [["a", "b"]]
    assert plan({}) == []


def test_circle():
    with pytest.raises(ValueError, match="^these need each other: a b$"):
        plan({"a": ["b"], "b": ["a"]})
""",
        [
            entry_point(
                "plan",
                object_of(
                    needs=object_of(
                        a=array_of({"enum": ["b", "c", "d"]}, most=2),
                        b=array_of({"enum": ["c", "d", "a"]}, most=2),
                    )
                ),
                array_of(array_of({"type": "string"}, least=1)),
                "ValueError",
            )
        ],
    ),
    Realistic(
        "packet_headers",
        '''"""Headers of packets, as bytes."""

import struct
import zlib
from dataclasses import dataclass

_FORM = struct.Struct(">BHI")


@dataclass(frozen=True)
class Header:
    """Kind, length and number of one packet."""

    kind: int
    length: int
    number: int


def pack(kind: int, length: int, number: int) -> bytes:
    """The header as bytes, with a checksum at its end."""
    data = _FORM.pack(kind, length, number)
    return data + struct.pack(">I", zlib.crc32(data))


def unpack(data: bytes) -> Header:
    """Read what ``pack`` wrote; raises ``ValueError`` for anything else."""
    if len(data) != _FORM.size + 4:
        raise ValueError(f"a header has {_FORM.size + 4} bytes, not {len(data)}")
    body, (checksum,) = data[: _FORM.size], struct.unpack(">I", data[_FORM.size :])
    if zlib.crc32(body) != checksum:
        raise ValueError("the checksum is wrong")
    return Header(*_FORM.unpack(body))
''',
        """import pytest
from packet_headers import Header, pack, unpack


def test_pack():
    assert pack(1, 2, 3)[:7] == b"\\x01\\x00\\x02\\x00\\x00\\x00\\x03"
    assert len(pack(1, 2, 3)) == 11


def test_both_ways():
    assert unpack(pack(7, 65535, 9)) == Header(7, 65535, 9)


def test_checksum():
    data = bytearray(pack(1, 2, 3))
    data[0] = 2
    with pytest.raises(ValueError, match="^the checksum is wrong$"):
        unpack(bytes(data))


def test_length():
    with pytest.raises(ValueError, match="^a header has 11 bytes, not 10$"):
        unpack(pack(1, 2, 3)[:-1])
""",
        [
            entry_point(
                "pack",
                object_of(kind=whole(0, 255), length=whole(0, 65535), number=whole(0, 2**32 - 1)),
                {"type": "string", "format": "bytes"},
            ),
            entry_point(
                "unpack",
                object_of(data={"type": "string", "format": "bytes"}),
                object_of(kind=whole(0, 255), length=whole(0, 65535), number=whole(0, 2**32 - 1)),
                "ValueError",
                examples=[
                    {"input": {"data": "AQACAAAAA9jS1hA="}, "output": {"kind": 1, "length": 2, "number": 3}},
                    {"input": {"data": "AAAAAAAAAJ1s334="}, "output": {"kind": 0, "length": 0, "number": 0}},
                    {
                        "input": {"data": "//////////9B2e0="},
                        "output": {"kind": 255, "length": 65535, "number": 4294967295},
                    },
                    {
                        "input": {"data": "BwBQAAAADGluYhA="},
                        "output": {"kind": 7, "length": 80, "number": 12},
                    },
                    {
                        "input": {"data": "AgXcAAAAY8KA/V4="},
                        "output": {"kind": 2, "length": 1500, "number": 99},
                    },
                ],
            ),
        ],
    ),
    Realistic(
        "log_levels",
        '''"""Sends messages to a log by their weight."""

import logging

log = logging.getLogger(__name__)


def report(messages: list[str]) -> int:
    """Log each message, those that end in ``!`` as warnings; how many warnings there were."""
    warnings = 0
    for message in messages:
        if message.endswith("!"):
            warnings += 1
            log.warning("%s", message)
        else:
            log.info("%s", message)
    return warnings
''',
        """import logging

from log_levels import report


def test_levels(caplog):
    with caplog.at_level(logging.INFO, logger="log_levels"):
        assert report(["fine", "hot!", "cold!"]) == 2
    assert [(each.levelname, each.getMessage()) for each in caplog.records] == [
        ("INFO", "fine"),
        ("WARNING", "hot!"),
        ("WARNING", "cold!"),
    ]


def test_nothing(caplog):
    assert report([]) == 0
    assert caplog.records == []
""",
        [entry_point("report", object_of(messages=array_of(text_of("^[a-z]{0,3}!?$"))), whole(0, 6))],
    ),
    Realistic(
        "undo_stack",
        '''"""Undoes what was done, in reverse order."""

from contextlib import ExitStack, contextmanager


@contextmanager
def _marked(name: str, log: list[str]):
    log.append(f"+{name}")
    try:
        yield name.upper()
    finally:
        log.append(f"-{name}")


def enter(names: list[str], fails_after: int | None = None) -> list[str]:
    """What happens when each of ``names`` is entered and left, and the block fails after some of them."""
    log: list[str] = []
    try:
        with ExitStack() as stack:
            for number, name in enumerate(names):
                log.append(stack.enter_context(_marked(name, log)))
                if number == fails_after:
                    raise RuntimeError(name)
    except RuntimeError as error:
        log.append(f"failed at {error}")
    return log
''',
        """from undo_stack import enter


def test_order():
    assert enter(["a", "b"]) == ["+a", "A", "+b", "B", "-b", "-a"]


def test_failure():
    assert enter(["a", "b", "c"], 1) == ["+a", "A", "+b", "B", "-b", "-a", "failed at b"]
    assert enter(["a"], fails_after=5) == ["+a", "A", "-a"]


def test_nothing():
    assert enter([]) == []
""",
        [
            entry_point(
                "enter",
                {
                    "type": "object",
                    "properties": {"names": array_of(_WORD, most=4), "fails_after": whole(0, 5)},
                    "required": ["names"],
                    "additionalProperties": False,
                },
                array_of({"type": "string"}, most=20),
            )
        ],
    ),
    Realistic(
        "redactor",
        '''"""Hides numbers of cards in text."""

import re

_CARD = re.compile(r"\\b(?:\\d[ -]?){12,18}\\d\\b")


def _is_card(digits: str) -> bool:
    """Luhn's checksum."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def redact(text: str) -> str:
    """``text`` with all but the last four digits of each card replaced."""

    def hide(match: re.Match[str]) -> str:
        digits = re.sub(r"[ -]", "", match[0])
        if not _is_card(digits):
            return match[0]
        return "*" * (len(digits) - 4) + digits[-4:]

    return _CARD.sub(hide, text)
''',
        """import pytest
from redactor import redact


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("pay 4111111111111111 now", "pay ************1111 now"),
        ("4111 1111 1111 1111", "************1111"),
        ("5500-0000-0000-0004", "************0004"),
        ("378282246310005", "***********0005"),
        ("4111111111111112", "4111111111111112"),
        ("no 1234 card", "no 1234 card"),
        ("", ""),
    ],
)
def test_redact(text, expected):
    assert redact(text) == expected
""",
        [
            entry_point(
                "redact",
                object_of(text=text_of("^[a-z ]{0,5}([0-9]{4}[ -]?){0,4}[0-9]{0,3}$")),
                {"type": "string"},
                examples=[{"input": {"text": "4111111111111111"}, "output": "************1111"}],
            )
        ],
    ),
    Realistic(
        "parallel_map",
        '''"""Works on items in threads."""

from concurrent.futures import ThreadPoolExecutor
from threading import Lock


class Tally:
    """Counts from several threads."""

    def __init__(self, start: int = 0) -> None:
        self._lock, self._count = Lock(), start

    def add(self, amount: int) -> int:
        with self._lock:
            self._count += amount
            return self._count


def squares(numbers: list[int], workers: int) -> dict[str, object]:
    """The squares in order, and their sum, each counted by the thread that computed it."""
    tally = Tally()

    def work(number: int) -> int:
        square = number * number
        tally.add(square)
        return square

    with ThreadPoolExecutor(max_workers=workers) as pool:
        found = list(pool.map(work, numbers))
    return {"squares": found, "sum": tally.add(0)}
''',
        """from parallel_map import Tally, squares


def test_order_and_sum():
    assert squares([3, 1, 2], 2) == {"squares": [9, 1, 4], "sum": 14}
    assert squares([], 1) == {"squares": [], "sum": 0}


def test_tally():
    tally = Tally(5)
    assert tally.add(2) == 7
    assert tally.add(-7) == 0
    assert Tally().add(1) == 1
""",
        [
            entry_point(
                "squares",
                object_of(numbers=array_of(whole(-9, 9)), workers=whole(1, 3)),
                object_of(squares=array_of(whole(0, 81)), sum=whole(0, 600)),
            ),
            entry_point(
                "Tally.add",
                object_of(amount=whole(-99, 99)),
                whole(-198, 198),
                construct=object_of(start=whole(-99, 99)),
            ),
        ],
    ),
    Realistic(
        "ip_blocks",
        '''"""Which network an address belongs to."""

import ipaddress


def find_network(address: str, networks: list[str]) -> str | None:
    """The narrowest of ``networks`` with ``address`` in it; ``ValueError`` for what is not an address."""
    wanted = ipaddress.ip_address(address)
    found = [network for network in map(ipaddress.ip_network, networks) if wanted in network]
    if not found:
        return None
    return str(max(found, key=lambda network: network.prefixlen))
''',
        """import pytest
from ip_blocks import find_network


def test_narrowest():
    assert find_network("10.1.2.3", ["10.0.0.0/8", "10.1.0.0/16", "10.1.3.0/24"]) == "10.1.0.0/16"


def test_none():
    assert find_network("192.168.0.1", ["10.0.0.0/8"]) is None
    assert find_network("192.168.0.1", []) is None


def test_newer_addresses():
    assert find_network("fd00::5", ["fd00::/8", "10.0.0.0/8"]) == "fd00::/8"


@pytest.mark.parametrize("address", ["", "10.0.0", "10.0.0.256"])
def test_no_address(address):
    with pytest.raises(ValueError):
        find_network(address, [])
""",
        [
            entry_point(
                "find_network",
                object_of(
                    address=text_of("^10[.][0-3][.][0-3][.][0-9]$"),
                    networks=array_of(
                        {"enum": ["10.0.0.0/8", "10.1.0.0/16", "10.1.2.0/24", "11.0.0.0/8"]}, most=4
                    ),
                ),
                {"type": ["string", "null"]},
                "ValueError",
            )
        ],
    ),
    Realistic(
        "shapes",
        '''"""Areas of shapes, of which callers may add others."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property


class _Shape(ABC):
    @abstractmethod
    def area(self) -> float: ...

    def __lt__(self, other: "_Shape") -> bool:
        return self.area() < other.area()


@dataclass(frozen=True)
class _Rectangle(_Shape):
    width: float
    height: float

    def area(self) -> float:
        return self.width * self.height


@dataclass
class _Triangle(_Shape):
    base: float
    height: float

    @cached_property
    def half(self) -> float:
        return self.base / 2

    def area(self) -> float:
        return self.half * self.height


_KINDS = {"rectangle": _Rectangle, "triangle": _Triangle}


def largest(shapes: list[list]) -> str:
    """Kind and area of the largest of ``shapes`` (kind, width, height)."""
    made = [(_KINDS[kind](width, height), kind) for kind, width, height in shapes]
    shape, kind = max(made, key=lambda pair: pair[0].area())
    smallest = min(shape for shape, _ in made)
    return f"{kind} {shape.area():.1f}, smallest {smallest.area():.1f}"
''',
        """import pytest
from shapes import largest


def test_rectangle():
    assert largest([["rectangle", 2, 3], ["triangle", 2, 5]]) == "rectangle 6.0, smallest 5.0"


def test_triangle():
    assert largest([["rectangle", 2, 1], ["triangle", 3, 4]]) == "triangle 6.0, smallest 2.0"


def test_one():
    assert largest([["triangle", 1, 1]]) == "triangle 0.5, smallest 0.5"


def test_unknown():
    with pytest.raises(KeyError, match="circle"):
        largest([["circle", 1, 1]])
""",
        [
            entry_point(
                "largest",
                object_of(
                    shapes=array_of(
                        {
                            "type": "array",
                            "prefixItems": [{"enum": ["rectangle", "triangle"]}, whole(1, 9), whole(1, 9)],
                            "items": False,
                            "minItems": 3,
                        },
                        least=1,
                    )
                ),
                {"type": "string"},
            )
        ],
    ),
    Realistic(
        "backoffs",
        '''"""How long to wait before each try."""

from collections.abc import Callable, Iterator
from itertools import islice


def _delays(first: float, factor: float, most: float) -> Iterator[float]:
    """Growing delays in seconds, for ever."""
    delay = first
    while True:
        yield min(delay, most)
        delay *= factor


def call(function: Callable[[int], int], tries: int, sleep: Callable[[float], None] | None = None) -> int:
    """What ``function`` returns the first time that it raises no ``ConnectionError``."""
    waits = islice(_delays(0.5, 2, 4), tries - 1)
    for number in range(1, tries):
        try:
            return function(number)
        except ConnectionError:
            wait = next(waits)
            if sleep is not None:
                sleep(wait)
    return function(tries)
''',
        """from itertools import islice

import pytest
from backoffs import _delays, call


def make_server(failures):
    def answer(number):
        if number <= failures:
            raise ConnectionError(f"try {number}")
        return number * 10

    return answer


def test_delays():
    assert list(islice(_delays(1, 3, 20), 5)) == [1, 3, 9, 20, 20]


def test_first_answer():
    slept = []
    assert call(make_server(2), 5, slept.append) == 30
    assert slept == [0.5, 1.0]


def test_at_once():
    slept = []
    assert call(make_server(0), 1, slept.append) == 10
    assert slept == []


def test_gives_up():
    with pytest.raises(ConnectionError, match="^try 3$"):
        call(make_server(9), 3)
""",
        [
            entry_point(
                "call",
                object_of(function={**whole(0, 6), "builder": "make_server"}, tries=whole(1, 6)),
                whole(10, 60),
                "ConnectionError",
            ),
        ],
    ),
]
