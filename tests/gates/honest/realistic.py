"""Blocks of the sort that an organisation writes, each with the tests that its author would write."""

import json
from dataclasses import dataclass, field
from typing import Any

from gates.base import Candidate

Schema = dict[str, Any]


def object_of(**properties: Schema) -> Schema:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def whole(low: int, high: int) -> Schema:
    return {"type": "integer", "minimum": low, "maximum": high}


def array_of(items: Schema, most: int = 6, least: int = 0) -> Schema:
    return {"type": "array", "items": items, "minItems": least, "maxItems": most}


def text_of(pattern: str) -> Schema:
    return {"type": "string", "pattern": pattern}


def entry_point(call: str, arguments: Schema, output: Schema, *raises: str, **more: Any) -> Schema:
    return {
        "call": call,
        "input": arguments,
        "output": output,
        "raises": list(raises),
        "examples": [],
        **more,
    }


@dataclass(frozen=True)
class Realistic:
    """One block by its three texts; ``capabilities`` are name to reason."""

    name: str
    module: str
    tests: str
    entrypoints: list[Schema]
    capabilities: dict[str, str] = field(default_factory=dict)
    private_modules: dict[str, str] = field(default_factory=dict)

    def to_candidate(self) -> Candidate:
        """The block as the gates take it."""
        contract = {
            "contract": 2,
            "family": "realistic",
            "name": self.name,
            "version": "1.0.0",
            "capabilities": self.capabilities,
            "entrypoints": self.entrypoints,
        }
        return Candidate(
            "realistic",
            self.name,
            self.module,
            self.tests,
            json.dumps(contract),
            private_modules=self.private_modules,
        )


_INTERVAL = array_of(whole(0, 40), most=2, least=2)
_DAY: Schema = {"type": "string", "format": "date"}

REALISTIC = [
    Realistic(
        "lru_cache_box",
        '''"""A cache that forgets what was used least recently."""

from collections import OrderedDict


class LruCache:
    """Holds at most ``size`` values."""

    def __init__(self, size: int) -> None:
        if size < 1:
            raise ValueError(f"size {size} is not positive")
        self._size = size
        self._values: OrderedDict[str, int] = OrderedDict()
        self._misses = 0

    def __len__(self) -> int:
        return len(self._values)

    def replay(self, keys: list[str]) -> dict[str, int | list[str]]:
        """Look up each key, storing its position where it is missing."""
        for position, key in enumerate(keys):
            if key in self._values:
                self._values.move_to_end(key)
                continue
            self._misses += 1
            self._values[key] = position
            if len(self._values) > self._size:
                self._values.popitem(last=False)
        return {"misses": self._misses, "kept": list(self._values)}
''',
        """import pytest
from lru_cache_box import LruCache


def test_the_least_recent_key_is_forgotten():
    cache = LruCache(2)
    assert cache.replay(["a", "b", "a", "c"]) == {"misses": 3, "kept": ["a", "c"]}
    assert len(cache) == 2


def test_everything_fits():
    assert LruCache(3).replay(["a", "b", "a"]) == {"misses": 2, "kept": ["b", "a"]}


def test_one_place():
    assert LruCache(1).replay(["a", "b", "b", "a"]) == {"misses": 3, "kept": ["a"]}


def test_nothing():
    assert LruCache(1).replay([]) == {"misses": 0, "kept": []}


@pytest.mark.parametrize("size", [0, -1])
def test_size_is_positive(size):
    with pytest.raises(ValueError, match=f"^size {size} is not positive$"):
        LruCache(size)
""",
        [
            entry_point(
                "LruCache.replay",
                object_of(keys=array_of(text_of("^[a-d]$"), most=9)),
                object_of(misses=whole(0, 9), kept=array_of(text_of("^[a-d]$"))),
                construct=object_of(size=whole(1, 4)),
            )
        ],
    ),
    Realistic(
        "interval_sets",
        '''"""Joins and cuts intervals of whole numbers, each [first, last)."""


def merge(intervals: list[list[int]]) -> list[list[int]]:
    """The intervals joined where they touch or overlap, in order. Empty ones are left out."""
    merged: list[list[int]] = []
    for first, last in sorted(intervals):
        if first >= last:
            continue
        if merged and first <= merged[-1][1]:
            merged[-1][1] = max(merged[-1][1], last)
        else:
            merged.append([first, last])
    return merged


def free_time(busy: list[list[int]], opens: int, closes: int) -> list[list[int]]:
    """What is left between ``opens`` and ``closes``."""
    free = []
    start = opens
    for first, last in merge(busy):
        if start < min(first, closes):
            free.append([start, min(first, closes)])
        start = max(start, last)
    if start < closes:
        free.append([start, closes])
    return free
''',
        """import pytest
from interval_sets import free_time, merge


@pytest.mark.parametrize(
    ("intervals", "merged"),
    [
        ([], []),
        ([[1, 3]], [[1, 3]]),
        ([[3, 3], [5, 4]], []),
        ([[1, 3], [3, 5]], [[1, 5]]),
        ([[1, 3], [4, 5]], [[1, 3], [4, 5]]),
        ([[4, 9], [1, 2], [5, 6]], [[1, 2], [4, 9]]),
    ],
)
def test_merge(intervals, merged):
    assert merge(intervals) == merged


@pytest.mark.parametrize(
    ("busy", "free"),
    [
        ([], [[9, 17]]),
        ([[9, 17]], []),
        ([[8, 10]], [[10, 17]]),
        ([[10, 11], [13, 14]], [[9, 10], [11, 13], [14, 17]]),
        ([[16, 20]], [[9, 16]]),
        ([[18, 20]], [[9, 17]]),
        ([[1, 5]], [[9, 17]]),
        ([[9, 10]], [[10, 17]]),
    ],
)
def test_free_time(busy, free):
    assert free_time(busy, 9, 17) == free
""",
        [
            entry_point("merge", object_of(intervals=array_of(_INTERVAL)), array_of(_INTERVAL)),
            entry_point(
                "free_time",
                object_of(busy=array_of(_INTERVAL), opens=whole(0, 20), closes=whole(20, 40)),
                array_of(_INTERVAL, most=9),
            ),
        ],
    ),
    Realistic(
        "order_states",
        '''"""The life of an order, as a table of moves."""

from enum import Enum


class State(Enum):
    """Where an order is."""

    DRAFT = "draft"
    PAID = "paid"
    SENT = "sent"
    CANCELLED = "cancelled"


class MoveError(ValueError):
    """A move that the state does not allow."""


_MOVES = {
    State.DRAFT: {"pay": State.PAID, "cancel": State.CANCELLED},
    State.PAID: {"send": State.SENT, "cancel": State.CANCELLED},
}


def run_moves(moves: list[str]) -> State:
    """The state of a new order after ``moves``; raises ``MoveError`` for one that is not allowed."""
    state = State.DRAFT
    for move in moves:
        allowed = _MOVES.get(state, {})
        if move not in allowed:
            raise MoveError(f"cannot {move} an order that is {state.value}")
        state = allowed[move]
    return state
''',
        """import pytest
from order_states import MoveError, State, run_moves


@pytest.mark.parametrize(
    ("moves", "state"),
    [
        ([], State.DRAFT),
        (["pay"], State.PAID),
        (["pay", "send"], State.SENT),
        (["cancel"], State.CANCELLED),
        (["pay", "cancel"], State.CANCELLED),
    ],
)
def test_moves(moves, state):
    assert run_moves(moves) is state


@pytest.mark.parametrize(
    ("moves", "message"),
    [
        (["send"], "cannot send an order that is draft"),
        (["pay", "pay"], "cannot pay an order that is paid"),
        (["cancel", "pay"], "cannot pay an order that is cancelled"),
    ],
)
def test_refused(moves, message):
    with pytest.raises(MoveError, match=f"^{message}$"):
        run_moves(moves)
""",
        [
            entry_point(
                "run_moves",
                object_of(moves=array_of({"type": "string", "enum": ["pay", "send", "cancel"]}, most=3)),
                {"type": "string", "enum": ["draft", "paid", "sent", "cancelled"]},
                "MoveError",
            )
        ],
    ),
    Realistic(
        "expression_tokens",
        '''"""Splits arithmetic into tokens."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

_TOKEN = re.compile(r"\\s*(?:(?P<number>\\d+)|(?P<name>[a-z]+)|(?P<sign>[-+*/()]))")


@dataclass(frozen=True)
class Token:
    """A kind and its text."""

    kind: str
    text: str


def tokenize(text: str) -> Iterator[Token]:
    """The tokens of ``text``; raises ``ValueError`` with the place of what is none."""
    place = 0
    while place < len(text.rstrip()):
        found = _TOKEN.match(text, place)
        if found is None:
            raise ValueError(f"no token at {place}")
        kind = str(found.lastgroup)
        yield Token(kind, found[kind])
        place = found.end()
''',
        """import pytest
from expression_tokens import Token, tokenize


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", []),
        ("  ", []),
        ("12", [("number", "12")]),
        ("a+ 1", [("name", "a"), ("sign", "+"), ("number", "1")]),
        ("(x)", [("sign", "("), ("name", "x"), ("sign", ")")]),
        (" 2*3 ", [("number", "2"), ("sign", "*"), ("number", "3")]),
    ],
)
def test_tokens(text, tokens):
    assert list(tokenize(text)) == [Token(*each) for each in tokens]


@pytest.mark.parametrize(("text", "place"), [("?", 0), ("1 ?", 1), ("ab$", 2)])
def test_no_token(text, place):
    with pytest.raises(ValueError, match=f"^no token at {place}$"):
        list(tokenize(text))
""",
        [
            entry_point(
                "tokenize",
                object_of(text=text_of("^[a-c0-3+*() ]{0,8}$")),
                array_of(
                    object_of(
                        kind={"type": "string", "enum": ["number", "name", "sign"]}, text=text_of("^\\S+$")
                    ),
                    most=8,
                ),
            )
        ],
    ),
    Realistic(
        "payment_dates",
        '''"""Due dates that fall on working days."""

import calendar
from datetime import date, timedelta

_SATURDAY = 5


def add_months(day: date, months: int) -> date:
    """The same day of a later month, or the last day of a shorter one."""
    years, month = divmod(day.month - 1 + months, 12)
    year = day.year + years
    last = calendar.monthrange(year, month + 1)[1]
    return date(year, month + 1, min(day.day, last))


def next_working_day(day: date) -> date:
    """``day`` or, at a weekend, the Monday after it."""
    while day.weekday() >= _SATURDAY:
        day += timedelta(days=1)
    return day


def plan_payments(first: date, count: int) -> list[date]:
    """Monthly due dates, each on a working day."""
    return [next_working_day(add_months(first, month)) for month in range(count)]
''',
        """from datetime import date

import pytest
from payment_dates import add_months, next_working_day, plan_payments


@pytest.mark.parametrize(
    ("day", "months", "result"),
    [
        (date(2024, 1, 31), 1, date(2024, 2, 29)),
        (date(2023, 1, 31), 1, date(2023, 2, 28)),
        (date(2023, 11, 15), 1, date(2023, 12, 15)),
        (date(2023, 12, 15), 1, date(2024, 1, 15)),
        (date(2023, 5, 5), 0, date(2023, 5, 5)),
        (date(2023, 5, 31), 25, date(2025, 6, 30)),
    ],
)
def test_add_months(day, months, result):
    assert add_months(day, months) == result


@pytest.mark.parametrize(
    ("day", "result"),
    [(12, 12), (13, 15), (14, 15), (15, 15)],
)
def test_working_days(day, result):
    assert next_working_day(date(2024, 1, day)) == date(2024, 1, result)


def test_plan():
    assert plan_payments(date(2024, 1, 31), 3) == [date(2024, 1, 31), date(2024, 2, 29), date(2024, 4, 1)]
    assert plan_payments(date(2024, 1, 1), 0) == []
""",
        [
            entry_point("add_months", object_of(day=_DAY, months=whole(0, 40)), _DAY),
            entry_point("next_working_day", object_of(day=_DAY), _DAY),
            entry_point("plan_payments", object_of(first=_DAY, count=whole(0, 6)), array_of(_DAY)),
        ],
    ),
    Realistic(
        "unit_of_work",
        '''"""A ledger that keeps all of a batch or nothing."""

from collections.abc import Iterator
from contextlib import contextmanager


class Rejected(Exception):
    """A booking that would overdraw an account."""


@contextmanager
def _all_or_nothing(balances: dict[str, int]) -> Iterator[dict[str, int]]:
    draft = dict(balances)
    yield draft
    balances.clear()
    balances.update(draft)


def book(balances: dict[str, int], bookings: list[tuple[str, int]]) -> dict[str, int]:
    """``balances`` after ``bookings``; raises ``Rejected`` and changes nothing where one overdraws."""
    with _all_or_nothing(balances) as draft:
        for account, amount in bookings:
            draft[account] = draft.get(account, 0) + amount
            if draft[account] < 0:
                raise Rejected(f"{account} would have {draft[account]}")
    return balances
''',
        """import pytest
from unit_of_work import Rejected, book


def test_batch():
    balances = {"a": 5}
    assert book(balances, [("a", -5), ("b", 3), ("b", 1)]) == {"a": 0, "b": 4}
    assert balances == {"a": 0, "b": 4}


def test_nothing_is_kept_of_a_batch_that_overdraws():
    balances = {"a": 5}
    with pytest.raises(Rejected, match="^a would have -1$"):
        book(balances, [("b", 3), ("a", -6)])
    assert balances == {"a": 5}


def test_no_bookings():
    assert book({}, []) == {}
""",
        [
            entry_point(
                "book",
                object_of(
                    balances={
                        "type": "object",
                        "propertyNames": {"pattern": "^[ab]$"},
                        "additionalProperties": whole(0, 50),
                        "maxProperties": 2,
                    },
                    bookings=array_of(
                        {
                            "type": "array",
                            "prefixItems": [text_of("^[ab]$"), whole(-9, 40)],
                            "items": False,
                            "minItems": 2,
                            "maxItems": 2,
                        },
                        most=4,
                    ),
                ),
                {"type": "object", "additionalProperties": whole(0, 400)},
                "Rejected",
            )
        ],
    ),
    Realistic(
        "paged_reader",
        '''"""Reads records page by page."""

from collections.abc import Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class Pages(Generic[T]):
    """Iterates over pages of ``size`` records."""

    def __init__(self, records: list[T], size: int) -> None:
        self.records, self.size = records, size

    def __iter__(self) -> Iterator[list[T]]:
        for start in range(0, len(self.records), self.size):
            yield self.records[start : start + self.size]

    def __len__(self) -> int:
        return -(-len(self.records) // self.size)


def describe_pages(records: list[int], size: int) -> list[str]:
    """One line for each page: its number, how many there are, and its sum."""
    pages = Pages(records, size)
    return [f"{number}/{len(pages)}: {sum(page)}" for number, page in enumerate(pages, start=1)]
''',
        """import pytest
from paged_reader import Pages, describe_pages


@pytest.fixture(params=[1, 2, 5])
def size(request):
    return request.param


def test_every_record_is_on_one_page(size):
    pages = list(Pages([1, 2, 3, 4, 5], size))
    assert [record for page in pages for record in page] == [1, 2, 3, 4, 5]
    assert len(pages) == len(Pages([1, 2, 3, 4, 5], size))
    assert all(len(page) == size for page in pages[:-1])


def test_lines():
    assert describe_pages([1, 2, 3], 2) == ["1/2: 3", "2/2: 3"]
    assert describe_pages([], 2) == []
    assert describe_pages([7, 8], 2) == ["1/1: 15"]
""",
        [
            entry_point(
                "describe_pages",
                object_of(records=array_of(whole(0, 9), most=9), size=whole(1, 4)),
                array_of(text_of("^\\d+/\\d+: \\d+$"), most=9),
            )
        ],
    ),
    Realistic(
        "backoff_plan",
        '''"""Says when to try again after failures."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """Pauses in seconds that grow from ``first`` by ``factor``, never over ``longest``."""

    first: int
    factor: int
    longest: int

    def pause(self, attempt: int) -> int:
        """The pause after attempt number ``attempt``, which counts from 1."""
        if attempt < 1:
            raise ValueError("attempts count from 1")
        return min(self.longest, self.first * self.factor ** (attempt - 1))


def list_pauses(first: int, factor: int, longest: int, budget: int) -> list[int]:
    """Pauses until ``budget`` seconds would be over."""
    backoff = Backoff(first=first, factor=factor, longest=longest)
    pauses: list[int] = []
    while sum(pauses) + (pause := backoff.pause(len(pauses) + 1)) <= budget:
        pauses.append(pause)
    return pauses
''',
        """import pytest
from backoff_plan import Backoff, list_pauses


@pytest.mark.parametrize(("attempt", "pause"), [(1, 2), (2, 6), (3, 18), (4, 20), (9, 20)])
def test_pauses_grow(attempt, pause):
    assert Backoff(first=2, factor=3, longest=20).pause(attempt) == pause


def test_attempts_count_from_one():
    with pytest.raises(ValueError, match="^attempts count from 1$"):
        Backoff(first=1, factor=2, longest=3).pause(0)


@pytest.mark.parametrize(
    ("budget", "pauses"), [(0, []), (1, [1]), (2, [1]), (3, [1, 2]), (7, [1, 2, 4]), (11, [1, 2, 4, 4])]
)
def test_budget(budget, pauses):
    assert list_pauses(1, 2, 4, budget) == pauses
""",
        [
            entry_point(
                "list_pauses",
                object_of(first=whole(1, 5), factor=whole(1, 3), longest=whole(1, 30), budget=whole(0, 60)),
                array_of(whole(1, 30), most=60),
            ),
            entry_point(
                "Backoff.pause",
                object_of(attempt=whole(0, 12)),
                whole(1, 30),
                "ValueError",
                construct=object_of(first=whole(1, 5), factor=whole(1, 3), longest=whole(1, 30)),
            ),
        ],
    ),
    Realistic(
        "log_lines",
        '''"""Reads lines of an access log."""

import re
from collections import Counter
from typing import NamedTuple

_LINE = re.compile(r"(?P<method>[A-Z]+) (?P<path>/\\S*) (?P<status>\\d{3})")


class Request(NamedTuple):
    """One request."""

    method: str
    path: str
    status: int


def parse_line(line: str) -> Request | None:
    """The request in ``line``, or nothing where there is none."""
    match _LINE.fullmatch(line.strip()):
        case None:
            return None
        case found:
            return Request(found["method"], found["path"], int(found["status"]))


def count_failures(lines: list[str]) -> dict[str, int]:
    """Server errors by path, the most first."""
    requests = filter(None, map(parse_line, lines))
    failures = Counter(request.path for request in requests if request.status >= 500)
    return dict(sorted(failures.items(), key=lambda item: (-item[1], item[0])))
''',
        """import pytest
from log_lines import Request, count_failures, parse_line


@pytest.mark.parametrize(
    ("line", "request_"),
    [
        ("GET / 200", Request("GET", "/", 200)),
        ("  POST /a/b 503 ", Request("POST", "/a/b", 503)),
        ("get / 200", None),
        ("GET a 200", None),
        ("GET / 20", None),
        ("", None),
    ],
)
def test_line(line, request_):
    assert parse_line(line) == request_


def test_failures():
    lines = ["GET /b 500", "GET /a 500", "GET /a 599", "GET /c 499", "noise", "GET /d 500"]
    assert list(count_failures(lines).items()) == [("/a", 2), ("/b", 1), ("/d", 1)]
    assert count_failures([]) == {}
""",
        [
            entry_point(
                "parse_line",
                object_of(line=text_of("^(GET|POST|get) /[a-c]{0,2} [2-5]0[0-4]$")),
                {"type": ["array", "null"], "items": {"type": ["string", "integer"]}},
            ),
            entry_point(
                "count_failures",
                object_of(lines=array_of(text_of("^GET /[a-c] [2-5]0[0-4]$"))),
                {"type": "object", "additionalProperties": whole(1, 6)},
            ),
        ],
    ),
    Realistic(
        "async_fan_out",
        '''"""Asks several sources at once and keeps what arrived."""

import asyncio
from collections.abc import AsyncIterator


async def _ask(source: int) -> int:
    await asyncio.sleep(0)
    if source % 3 == 0:
        raise ConnectionError(f"source {source} is away")
    return source * source


async def ask_all(sources: list[int]) -> dict[str, list[int]]:
    """Answers in the order of the sources, and which sources failed."""
    answers = await asyncio.gather(*map(_ask, sources), return_exceptions=True)
    pairs = list(zip(sources, answers, strict=True))
    return {
        "answers": [answer for _, answer in pairs if isinstance(answer, int)],
        "failed": [source for source, answer in pairs if not isinstance(answer, int)],
    }


async def stream_answers(sources: list[int]) -> AsyncIterator[int]:
    """Each answer as it comes; a source that fails is left out."""
    for source in sources:
        try:
            yield await _ask(source)
        except ConnectionError:
            continue
''',
        """import asyncio

import pytest
from async_fan_out import ask_all, stream_answers


@pytest.mark.parametrize(
    ("sources", "answers", "failed"),
    [([], [], []), ([2, 1], [4, 1], []), ([3, 4, 6], [16], [3, 6]), ([0], [], [0])],
)
def test_all(sources, answers, failed):
    assert asyncio.run(ask_all(sources)) == {"answers": answers, "failed": failed}


def test_stream():
    async def collect():
        return [answer async for answer in stream_answers([2, 3, 5])]

    assert asyncio.run(collect()) == [4, 25]
""",
        [
            entry_point(
                "ask_all",
                object_of(sources=array_of(whole(0, 9))),
                object_of(answers=array_of(whole(0, 81)), failed=array_of(whole(0, 9))),
            ),
            entry_point("stream_answers", object_of(sources=array_of(whole(0, 9))), array_of(whole(0, 81))),
        ],
    ),
    Realistic(
        "tax_lines",
        '''"""Taxes of an invoice, rounded line by line."""

from decimal import ROUND_HALF_UP, Decimal

_CENT = Decimal("0.01")
_RATES = {"standard": Decimal("0.19"), "reduced": Decimal("0.07"), "none": Decimal(0)}


def round_cents(amount: Decimal) -> Decimal:
    """``amount`` to the cent, half away from zero."""
    return amount.quantize(_CENT, rounding=ROUND_HALF_UP)


def total(lines: list[dict[str, str]]) -> dict[str, Decimal]:
    """Net, tax and gross of lines with ``net`` and ``kind``."""
    net = tax = Decimal(0)
    for line in lines:
        amount = Decimal(line["net"])
        net += amount
        tax += round_cents(amount * _RATES[line["kind"]])
    return {"net": net, "tax": tax, "gross": net + tax}
''',
        """from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tax_lines import round_cents, total


@pytest.mark.parametrize(
    ("amount", "cents"),
    [("0.005", "0.01"), ("0.0049", "0.00"), ("-0.005", "-0.01"), ("1.995", "2.00"), ("3", "3.00")],
)
def test_cents(amount, cents):
    assert round_cents(Decimal(amount)) == Decimal(cents)


@pytest.mark.parametrize(
    ("kind", "tax"), [("standard", "1.90"), ("reduced", "0.70"), ("none", "0.00")]
)
def test_rates(kind, tax):
    assert total([{"net": "10", "kind": kind}])["tax"] == Decimal(tax)


def test_each_line_is_rounded():
    line = {"net": "0.03", "kind": "standard"}
    assert total([line, line]) == {"net": Decimal("0.06"), "tax": Decimal("0.02"), "gross": Decimal("0.08")}
    assert total([]) == {"net": 0, "tax": 0, "gross": 0}


@given(st.lists(st.decimals(0, 100, places=2), max_size=4))
def test_gross_is_net_and_tax(amounts):
    found = total([{"net": str(amount), "kind": "reduced"} for amount in amounts])
    assert found["net"] == sum(amounts)
    assert found["gross"] == found["net"] + found["tax"]
""",
        [
            entry_point(
                "round_cents",
                object_of(
                    amount={"type": "string", "format": "decimal", "pattern": "^-?[0-9]{1,3}\\.[0-9]{3}$"}
                ),
                {"type": "string", "format": "decimal"},
            ),
            entry_point(
                "total",
                object_of(
                    lines=array_of(
                        object_of(
                            net=text_of("^[0-9]{1,3}\\.[0-9]{2}$"),
                            kind={"type": "string", "enum": ["standard", "reduced", "none"]},
                        ),
                        most=4,
                    )
                ),
                object_of(
                    net={"type": "string", "format": "decimal"},
                    tax={"type": "string", "format": "decimal"},
                    gross={"type": "string", "format": "decimal"},
                ),
            ),
        ],
    ),
    Realistic(
        "shape_areas",
        '''"""Areas of shapes, by the kind of the shape."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import Any


class Shape(ABC):
    """What has an area."""

    @abstractmethod
    def _compute(self) -> int: ...

    @cached_property
    def area(self) -> int:
        """In square centimetres."""
        return self._compute()


@dataclass
class _Square(Shape):
    side: int

    def _compute(self) -> int:
        return self.side**2


@dataclass
class _Frame(Shape):
    outer: int
    inner: int

    def __post_init__(self) -> None:
        if self.inner > self.outer:
            raise ValueError("the hole is larger than the frame")

    def _compute(self) -> int:
        return _Square(self.outer).area - _Square(self.inner).area


def read_area(shape: dict[str, Any]) -> int:
    """The area of ``{"side": ...}`` or ``{"outer": ..., "inner": ...}``."""
    match shape:
        case {"side": int(side)}:
            return _Square(side).area
        case {"outer": int(outer), "inner": int(inner)}:
            return _Frame(outer, inner).area
    raise LookupError(f"no shape has {sorted(shape)}")
''',
        """import pytest
from shape_areas import read_area


@pytest.mark.parametrize(
    ("shape", "area"),
    [
        ({"side": 3}, 9),
        ({"side": 0}, 0),
        ({"outer": 5, "inner": 3}, 16),
        ({"outer": 4, "inner": 4}, 0),
        ({"side": 1, "outer": 9}, 1),
    ],
)
def test_area(shape, area):
    assert read_area(shape) == area


def test_hole_is_too_large():
    with pytest.raises(ValueError, match="^the hole is larger than the frame$"):
        read_area({"outer": 1, "inner": 2})


def test_unknown_shape():
    with pytest.raises(LookupError, match=r"^no shape has \\['outer', 'radius'\\]$"):
        read_area({"radius": 1, "outer": 2})
""",
        [
            entry_point(
                "read_area",
                object_of(
                    shape={
                        "type": "object",
                        "properties": {
                            "side": whole(0, 20),
                            "outer": whole(0, 20),
                            "inner": whole(0, 20),
                        },
                        "additionalProperties": False,
                    }
                ),
                whole(0, 400),
                "ValueError",
                "LookupError",
            )
        ],
    ),
]
