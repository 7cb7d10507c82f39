"""Small correct functions, as textbooks have them, with the tests that people write for them.

Each is its code, the schemas of its arguments, the schema of its result, calls with their results, and calls
that raise ``ValueError``.
"""

import json
from dataclasses import dataclass, field
from typing import Any

from gates.base import Candidate

Schema = dict[str, Any]


def _whole(low: int, high: int) -> Schema:
    return {"type": "integer", "minimum": low, "maximum": high}


def _list_of(item: Schema, most: int = 8, least: int = 0) -> Schema:
    return {"type": "array", "items": item, "minItems": least, "maxItems": most}


COUNT, SIGNED = _whole(0, 60), _whole(-50, 50)
ANY_WHOLE: Schema = {"type": "integer"}
TEXT: Schema = {"type": "string", "maxLength": 12}
WORD: Schema = {"type": "string", "pattern": "^[a-z]{0,8}$"}
FLAG: Schema = {"type": "boolean"}
NUMBER: Schema = {"type": "number"}
NUMBERS = _list_of(SIGNED)
SOME_NUMBERS = _list_of(SIGNED, least=1)
ANY_NUMBERS = _list_of(ANY_WHOLE, most=200)


@dataclass(frozen=True)
class Textbook:
    """One function; ``calls`` are (arguments, result)."""

    code: str
    arguments: dict[str, Schema]
    result: Schema
    calls: list[tuple[tuple[Any, ...], Any]]
    refused: list[tuple[Any, ...]] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.code.partition("(")[0].removeprefix("def ")

    def to_candidate(self) -> Candidate:
        """The function as a block of its own."""
        module = f"{self.name}s"
        entry = {
            "call": self.name,
            "summary": f"The {self.name} of its arguments.",
            "input": {
                "type": "object",
                "properties": self.arguments,
                "required": list(self.arguments),
                "additionalProperties": False,
            },
            "output": self.result,
            "raises": ["ValueError"] if self.refused else [],
            "examples": [],
        }
        contract = {
            "contract": 1,
            "family": "textbook",
            "name": module,
            "version": "1.0.0",
            "entrypoints": [entry],
        }
        return Candidate("textbook", module, self._write_module(), self._write_tests(), json.dumps(contract))

    def _write_module(self) -> str:
        return f'"""Holds {self.name}."""\n\n\n{self.code}'

    def _write_tests(self) -> str:
        lines = ["import pytest", f"from {self.name}s import {self.name}", "", ""]
        for number, (arguments, result) in enumerate(self.calls):
            called = ", ".join(map(repr, arguments))
            lines += [f"def test_{number}():", f"    assert {self.name}({called}) == {result!r}", "", ""]
        for number, arguments in enumerate(self.refused):
            called = ", ".join(map(repr, arguments))
            lines += [f"def test_refused_{number}():", "    with pytest.raises(ValueError):"]
            lines += [f"        {self.name}({called})", "", ""]
        return "\n".join(lines)


TEXTBOOK = [
    Textbook(
        "def gcd(a, b):\n    while b:\n        a, b = b, a % b\n    return a\n",
        {"a": COUNT, "b": COUNT},
        _whole(0, 60),
        [((12, 18), 6), ((7, 5), 1), ((0, 9), 9), ((9, 0), 9), ((48, 36), 12)],
    ),
    Textbook(
        "def lcm(a, b):\n    x, y = a, b\n    while y:\n        x, y = y, x % y\n    return a // x * b\n",
        {"a": _whole(1, 60), "b": _whole(1, 60)},
        _whole(1, 3600),
        [((4, 6), 12), ((3, 5), 15), ((7, 7), 7), ((1, 9), 9)],
    ),
    Textbook(
        "def factorial(n):\n    if n == 0:\n        return 1\n    return n * factorial(n - 1)\n",
        {"n": _whole(0, 12)},
        _whole(1, 10**9),
        [((0,), 1), ((1,), 1), ((4,), 24), ((6,), 720)],
    ),
    Textbook(
        "def fibonacci(n):\n    a, b = 0, 1\n    for _ in range(n):\n        a, b = b, a + b\n    return a\n",
        {"n": _whole(0, 40)},
        _whole(0, 10**9),
        [((0,), 0), ((1,), 1), ((2,), 1), ((10,), 55), ((15,), 610)],
    ),
    Textbook(
        "def is_prime(n):\n    if n < 2:\n        return False\n    for d in range(2, int(n ** 0.5) + 1):\n"
        "        if n % d == 0:\n            return False\n    return True\n",
        {"n": _whole(0, 400)},
        FLAG,
        [
            ((0,), False),
            ((1,), False),
            ((2,), True),
            ((3,), True),
            ((4,), False),
            ((9,), False),
            ((25,), False),
            ((29,), True),
            ((97,), True),
        ],
    ),
    Textbook(
        "def is_leap(year):\n    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)\n",
        {"year": _whole(1600, 2400)},
        FLAG,
        [((2000,), True), ((1900,), False), ((2024,), True), ((2023,), False), ((2100,), False)],
    ),
    Textbook(
        "def reverse(text):\n    return text[::-1]\n",
        {"text": TEXT},
        TEXT,
        [(("",), ""), (("ab",), "ba"), (("abc",), "cba")],
    ),
    Textbook(
        "def is_palindrome(text):\n    kept = [c.lower() for c in text if c.isalnum()]\n"
        "    return kept == kept[::-1]\n",
        {"text": TEXT},
        FLAG,
        [(("",), True), (("Level",), True), (("ab",), False), (("A b a!",), True)],
    ),
    Textbook(
        "def count_vowels(text):\n    return sum(c in 'aeiou' for c in text.lower())\n",
        {"text": TEXT},
        COUNT,
        [(("",), 0), (("hello",), 2), (("AEIOU",), 5), (("xyz",), 0)],
    ),
    Textbook(
        "def flatten(rows):\n    return [item for row in rows for item in row]\n",
        {"rows": _list_of(NUMBERS, 4)},
        ANY_NUMBERS,
        [(([],), []), (([[1], [2, 3]],), [1, 2, 3]), (([[], [4]],), [4])],
    ),
    Textbook(
        "def unique(values):\n    seen = set()\n    kept = []\n    for value in values:\n"
        "        if value not in seen:\n            seen.add(value)\n            kept.append(value)\n"
        "    return kept\n",
        {"values": NUMBERS},
        ANY_NUMBERS,
        [(([],), []), (([1, 2, 1],), [1, 2]), (([3, 3, 3],), [3]), (([2, 1, 2, 1],), [2, 1])],
    ),
    Textbook(
        "def binary_search(values, wanted):\n    low, high = 0, len(values)\n    while low < high:\n"
        "        middle = (low + high) // 2\n        if values[middle] < wanted:\n            low = middle + 1\n"
        "        else:\n            high = middle\n"
        "    return low if low < len(values) and values[low] == wanted else -1\n",
        {"values": _list_of(SIGNED), "wanted": SIGNED},
        _whole(-1, 8),
        [
            (([], 1), -1),
            (([1, 3, 5], 1), 0),
            (([1, 3, 5], 3), 1),
            (([1, 3, 5], 5), 2),
            (([1, 3, 5], 4), -1),
            (([1, 3, 5], 6), -1),
            (([2, 4, 6, 8], 8), 3),
        ],
    ),
    Textbook(
        "def bubble_sort(values):\n    values = list(values)\n    for end in range(len(values) - 1, 0, -1):\n"
        "        for i in range(end):\n            if values[i] > values[i + 1]:\n"
        "                values[i], values[i + 1] = values[i + 1], values[i]\n    return values\n",
        {"values": NUMBERS},
        ANY_NUMBERS,
        [
            (([],), []),
            (([1],), [1]),
            (([2, 1],), [1, 2]),
            (([3, 1, 2],), [1, 2, 3]),
            (([5, 4, 3, 2, 1],), [1, 2, 3, 4, 5]),
        ],
    ),
    Textbook(
        "def insertion_sort(values):\n    done = []\n    for value in values:\n        at = len(done)\n"
        "        while at > 0 and done[at - 1] > value:\n            at -= 1\n        done.insert(at, value)\n"
        "    return done\n",
        {"values": NUMBERS},
        ANY_NUMBERS,
        [(([],), []), (([2, 1],), [1, 2]), (([3, 1, 2],), [1, 2, 3]), (([1, 1, 0],), [0, 1, 1])],
    ),
    Textbook(
        "def quick_sort(values):\n    if len(values) <= 1:\n        return list(values)\n    first, *rest = values\n"
        "    small = [v for v in rest if v < first]\n    large = [v for v in rest if v >= first]\n"
        "    return [*quick_sort(small), first, *quick_sort(large)]\n",
        {"values": NUMBERS},
        ANY_NUMBERS,
        [(([],), []), (([1],), [1]), (([2, 1],), [1, 2]), (([3, 1, 2, 3],), [1, 2, 3, 3])],
    ),
    Textbook(
        "def merge(left, right):\n    done, i, j = [], 0, 0\n    while i < len(left) and j < len(right):\n"
        "        if left[i] <= right[j]:\n            done.append(left[i])\n            i += 1\n        else:\n"
        "            done.append(right[j])\n            j += 1\n    return done + left[i:] + right[j:]\n",
        {"left": NUMBERS, "right": NUMBERS},
        ANY_NUMBERS,
        [
            (([], []), []),
            (([1, 3], [2]), [1, 2, 3]),
            (([], [4]), [4]),
            (([5], []), [5]),
            (([1, 2], [0, 9]), [0, 1, 2, 9]),
        ],
    ),
    Textbook(
        "def clamp(value, low, high):\n    return max(low, min(value, high))\n",
        {"value": SIGNED, "low": _whole(-5, 0), "high": _whole(1, 9)},
        _whole(-5, 9),
        [((5, 0, 3), 3), ((-2, 0, 3), 0), ((2, 0, 3), 2)],
    ),
    Textbook(
        "def mean(values):\n    if not values:\n        raise ValueError('no values')\n"
        "    return sum(values) / len(values)\n",
        {"values": NUMBERS},
        NUMBER,
        [(([1],), 1.0), (([1, 2],), 1.5), (([2, 4, 6],), 4.0)],
        [([],)],
    ),
    Textbook(
        "def median(values):\n    ordered = sorted(values)\n    middle = len(ordered) // 2\n"
        "    if len(ordered) % 2:\n        return ordered[middle]\n"
        "    return (ordered[middle - 1] + ordered[middle]) / 2\n",
        {"values": SOME_NUMBERS},
        NUMBER,
        [(([3],), 3), (([1, 2],), 1.5), (([3, 1, 2],), 2), (([4, 1, 3, 2],), 2.5)],
    ),
    Textbook(
        "def dot(left, right):\n    return sum(a * b for a, b in zip(left, right))\n",
        {"left": NUMBERS, "right": NUMBERS},
        ANY_WHOLE,
        [(([], []), 0), (([1, 2], [3, 4]), 11), (([2], [5]), 10)],
    ),
    Textbook(
        "def transpose(rows):\n    return [list(column) for column in zip(*rows)]\n",
        {"rows": _list_of(_list_of(SIGNED, 2, 2), 3)},
        _list_of(ANY_NUMBERS),
        [(([],), []), (([[1, 2], [3, 4]],), [[1, 3], [2, 4]]), (([[1, 2]],), [[1], [2]])],
    ),
    Textbook(
        "def digits_sum(n):\n    total = 0\n    while n > 0:\n        total += n % 10\n        n //= 10\n"
        "    return total\n",
        {"n": _whole(0, 99999)},
        _whole(0, 45),
        [((0,), 0), ((7,), 7), ((123,), 6), ((909,), 18)],
    ),
    Textbook(
        "def power(base, exponent):\n    result = 1\n    while exponent > 0:\n        if exponent % 2 == 1:\n"
        "            result *= base\n        base *= base\n        exponent //= 2\n    return result\n",
        {"base": _whole(0, 9), "exponent": _whole(0, 9)},
        _whole(0, 10**9),
        [((2, 0), 1), ((2, 1), 2), ((3, 4), 81), ((5, 3), 125)],
    ),
    Textbook(
        "def collatz(n):\n    steps = 0\n    while n != 1:\n        n = n // 2 if n % 2 == 0 else 3 * n + 1\n"
        "        steps += 1\n    return steps\n",
        {"n": _whole(1, 500)},
        _whole(0, 400),
        [((1,), 0), ((2,), 1), ((3,), 7), ((6,), 8)],
    ),
    Textbook(
        "def to_binary(n):\n    if n == 0:\n        return '0'\n    bits = ''\n    while n:\n"
        "        bits = str(n % 2) + bits\n        n //= 2\n    return bits\n",
        {"n": _whole(0, 999)},
        {"type": "string", "pattern": "^[01]+$"},
        [((0,), "0"), ((1,), "1"), ((5,), "101"), ((8,), "1000")],
    ),
    Textbook(
        "def from_roman(text):\n    values = {'I': 1, 'V': 5, 'X': 10, 'L': 50, 'C': 100}\n    total = 0\n"
        "    for i, c in enumerate(text):\n        if i + 1 < len(text) and values[c] < values[text[i + 1]]:\n"
        "            total -= values[c]\n        else:\n            total += values[c]\n    return total\n",
        {"text": {"type": "string", "pattern": "^[IVXLC]{1,4}$"}},
        _whole(-500, 500),
        [(("I",), 1), (("IV",), 4), (("IX",), 9), (("XL",), 40), (("LXII",), 62), (("CX",), 110)],
    ),
    Textbook(
        "def caesar(text, shift):\n    return ''.join(chr((ord(c) - 97 + shift) % 26 + 97) for c in text)\n",
        {"text": WORD, "shift": COUNT},
        WORD,
        [(("abc", 1), "bcd"), (("xyz", 3), "abc"), (("", 5), ""), (("a", 26), "a")],
    ),
    Textbook(
        "def is_anagram(a, b):\n    return sorted(a.lower()) == sorted(b.lower())\n",
        {"a": WORD, "b": WORD},
        FLAG,
        [(("listen", "silent"), True), (("a", "b"), False), (("Ab", "bA"), True)],
    ),
    Textbook(
        "def count_words(text):\n    counts = {}\n    for word in text.split():\n"
        "        counts[word] = counts.get(word, 0) + 1\n    return counts\n",
        {"text": TEXT},
        {"type": "object", "additionalProperties": _whole(1, 12)},
        [(("",), {}), (("a b a",), {"a": 2, "b": 1}), (("x",), {"x": 1})],
    ),
    Textbook(
        "def run_lengths(text):\n    runs = []\n    for c in text:\n        if runs and runs[-1][0] == c:\n"
        "            runs[-1][1] += 1\n        else:\n            runs.append([c, 1])\n"
        "    return ''.join(f'{c}{n}' for c, n in runs)\n",
        {"text": WORD},
        {"type": "string", "maxLength": 40},
        [(("",), ""), (("a",), "a1"), (("aab",), "a2b1"), (("abab",), "a1b1a1b1")],
    ),
    Textbook(
        "def chunks(values, size):\n    return [values[i:i + size] for i in range(0, len(values), size)]\n",
        {"values": NUMBERS, "size": _whole(1, 5)},
        _list_of(ANY_NUMBERS),
        [(([], 2), []), (([1, 2, 3], 2), [[1, 2], [3]]), (([1, 2], 1), [[1], [2]]), (([1], 5), [[1]])],
    ),
    Textbook(
        "def rotate(values, steps):\n    if not values:\n        return []\n    steps %= len(values)\n"
        "    return values[steps:] + values[:steps]\n",
        {"values": NUMBERS, "steps": COUNT},
        ANY_NUMBERS,
        [
            (([], 3), []),
            (([1, 2, 3], 1), [2, 3, 1]),
            (([1, 2, 3], 3), [1, 2, 3]),
            (([1, 2, 3], 5), [3, 1, 2]),
        ],
    ),
    Textbook(
        "def second_largest(values):\n    distinct = sorted(set(values))\n    if len(distinct) < 2:\n"
        "        raise ValueError('too few')\n    return distinct[-2]\n",
        {"values": NUMBERS},
        SIGNED,
        [(([1, 2],), 1), (([3, 3, 1, 2],), 2), (([5, 9, 7],), 7)],
        [([],), ([4, 4],)],
    ),
    Textbook(
        "def hamming(a, b):\n    if len(a) != len(b):\n        raise ValueError('lengths differ')\n"
        "    return sum(x != y for x, y in zip(a, b))\n",
        {"a": WORD, "b": WORD},
        COUNT,
        [(("", ""), 0), (("abc", "abd"), 1), (("ab", "ba"), 2), (("x", "x"), 0)],
        [("a", "ab")],
    ),
    Textbook(
        "def fizz_buzz(n):\n    if n % 15 == 0:\n        return 'FizzBuzz'\n    if n % 3 == 0:\n        return 'Fizz'\n"
        "    if n % 5 == 0:\n        return 'Buzz'\n    return str(n)\n",
        {"n": COUNT},
        {"type": "string", "maxLength": 8},
        [
            ((1,), "1"),
            ((3,), "Fizz"),
            ((5,), "Buzz"),
            ((15,), "FizzBuzz"),
            ((30,), "FizzBuzz"),
            ((7,), "7"),
            ((9,), "Fizz"),
            ((10,), "Buzz"),
        ],
    ),
    Textbook(
        "def max_subarray(values):\n    best = current = values[0]\n    for value in values[1:]:\n"
        "        current = max(value, current + value)\n        best = max(best, current)\n    return best\n",
        {"values": SOME_NUMBERS},
        _whole(-50, 400),
        [(([1],), 1), (([-1, -2],), -1), (([1, -3, 4, 5],), 9), (([2, -1, 2],), 3)],
    ),
    Textbook(
        "def balanced(text):\n    pairs = {')': '(', ']': '['}\n    open_ones = []\n    for c in text:\n"
        "        if c in '([':\n            open_ones.append(c)\n        elif c in pairs:\n"
        "            if not open_ones or open_ones.pop() != pairs[c]:\n                return False\n"
        "    return not open_ones\n",
        {"text": {"type": "string", "pattern": r"^[()\[\]a]{0,6}$"}},
        FLAG,
        [
            (("",), True),
            (("()",), True),
            (("([a])",), True),
            (("(]",), False),
            ((")",), False),
            (("(",), False),
            (("[]()",), True),
        ],
    ),
    Textbook(
        "def celsius(fahrenheit):\n    return round((fahrenheit - 32) * 5 / 9, 1)\n",
        {"fahrenheit": _whole(-100, 300)},
        NUMBER,
        [((32,), 0.0), ((212,), 100.0), ((0,), -17.8)],
    ),
    Textbook(
        "def triangle(a, b, c):\n    if a + b <= c or a + c <= b or b + c <= a:\n        raise ValueError('no triangle')\n"
        "    if a == b == c:\n        return 'equilateral'\n    if a == b or b == c or a == c:\n"
        "        return 'isosceles'\n    return 'scalene'\n",
        {"a": _whole(1, 9), "b": _whole(1, 9), "c": _whole(1, 9)},
        {"enum": ["equilateral", "isosceles", "scalene"]},
        [
            ((2, 2, 2), "equilateral"),
            ((2, 2, 3), "isosceles"),
            ((2, 3, 2), "isosceles"),
            ((3, 2, 2), "isosceles"),
            ((3, 4, 5), "scalene"),
        ],
        [(1, 2, 3), (1, 3, 2), (3, 1, 2)],
    ),
    Textbook(
        "def common_prefix(a, b):\n    n = 0\n    while n < len(a) and n < len(b) and a[n] == b[n]:\n        n += 1\n"
        "    return a[:n]\n",
        {"a": WORD, "b": WORD},
        WORD,
        [
            (("", "a"), ""),
            (("flow", "flag"), "fl"),
            (("ab", "abc"), "ab"),
            (("x", "y"), ""),
            (("abc", "ab"), "ab"),
        ],
    ),
    Textbook(
        "def primes_below(n):\n    sieve = [True] * n\n    found = []\n    for i in range(2, n):\n        if sieve[i]:\n"
        "            found.append(i)\n            for j in range(i * i, n, i):\n                sieve[j] = False\n"
        "    return found\n",
        {"n": COUNT},
        _list_of(_whole(2, 60), 20),
        [
            ((0,), []),
            ((2,), []),
            ((3,), [2]),
            ((12,), [2, 3, 5, 7, 11]),
            ((26,), [2, 3, 5, 7, 11, 13, 17, 19, 23]),
        ],
    ),
    Textbook(
        "def change(amount):\n    coins = []\n    for coin in (50, 20, 10, 5, 2, 1):\n        while amount >= coin:\n"
        "            coins.append(coin)\n            amount -= coin\n    return coins\n",
        {"amount": COUNT},
        _list_of(_whole(1, 50), 20),
        [((0,), []), ((1,), [1]), ((4,), [2, 2]), ((87,), [50, 20, 10, 5, 2]), ((3,), [2, 1])],
    ),
    Textbook(
        "def title(text):\n    return ' '.join(word[:1].upper() + word[1:] for word in text.split())\n",
        {"text": TEXT},
        TEXT,
        [(("",), ""), (("hello world",), "Hello World"), (("a  b",), "A B")],
    ),
    Textbook(
        "def middle(text):\n    if not text:\n        return ''\n    half = len(text) // 2\n"
        "    return text[half] if len(text) % 2 else text[half - 1:half + 1]\n",
        {"text": WORD},
        WORD,
        [(("",), ""), (("a",), "a"), (("ab",), "ab"), (("abc",), "b"), (("abcd",), "bc")],
    ),
    Textbook(
        "def luhn(number):\n    total = 0\n    for place, digit in enumerate(reversed(number)):\n"
        "        value = int(digit) * (1 + place % 2)\n        total += value - 9 if value > 9 else value\n"
        "    return total % 10 == 0\n",
        {"number": {"type": "string", "pattern": "^[0-9]{1,10}$"}},
        FLAG,
        [(("0",), True), (("18",), True), (("19",), False), (("79927398713",), True), (("91",), True)],
    ),
    Textbook(
        "def edit_distance(a, b):\n    row = list(range(len(b) + 1))\n    for i, x in enumerate(a, 1):\n"
        "        corner, row[0] = row[0], i\n        for j, y in enumerate(b, 1):\n"
        "            corner, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, corner + (x != y))\n"
        "    return row[-1]\n",
        {"a": WORD, "b": WORD},
        _whole(0, 8),
        [(("", ""), 0), (("a", ""), 1), (("", "ab"), 2), (("kitten", "sitting"), 3), (("ab", "ba"), 2)],
    ),
    Textbook(
        "def base36(n):\n    digits = '0123456789abcdefghijklmnopqrstuvwxyz'\n    text = ''\n"
        "    while n:\n        n, rest = divmod(n, 36)\n        text = digits[rest] + text\n"
        "    return text or '0'\n",
        {"n": _whole(0, 10**6)},
        {"type": "string", "pattern": "^[0-9a-z]+$"},
        [((0,), "0"), ((35,), "z"), ((36,), "10"), ((71,), "1z"), ((1296,), "100")],
    ),
    Textbook(
        "def moving_sum(values, size):\n    sums = []\n    for end in range(size, len(values) + 1):\n"
        "        sums.append(sum(values[end - size:end]))\n    return sums\n",
        {"values": NUMBERS, "size": _whole(1, 8)},
        _list_of(ANY_WHOLE),
        [
            (([], 1), []),
            (([1, 2, 3], 2), [3, 5]),
            (([4, 5], 2), [9]),
            (([4, 5], 3), []),
            (([1, 2], 1), [1, 2]),
        ],
    ),
    Textbook(
        "def popcount(n):\n    count = 0\n    while n:\n        n &= n - 1\n        count += 1\n"
        "    return count\n",
        {"n": _whole(0, 4096)},
        _whole(0, 12),
        [((0,), 0), ((1,), 1), ((7,), 3), ((8,), 1), ((255,), 8)],
    ),
    Textbook(
        "def partition(values, pivot):\n    low = [v for v in values if v < pivot]\n"
        "    high = [v for v in values if v >= pivot]\n    return [low, high]\n",
        {"values": NUMBERS, "pivot": SIGNED},
        _list_of(NUMBERS, most=2),
        [(([], 1), [[], []]), (([3, 1, 2], 2), [[1], [3, 2]]), (([2], 2), [[], [2]])],
    ),
    Textbook(
        "def snake_case(name):\n    return ''.join('_' + c.lower() if c.isupper() else c for c in name).lstrip('_')\n",
        {"name": {"type": "string", "pattern": "^[A-Za-z]{0,10}$"}},
        {"type": "string"},
        [(("",), ""), (("userName",), "user_name"), (("Url",), "url"), (("abc",), "abc")],
    ),
    Textbook(
        "def percent(part, whole):\n    if whole == 0:\n        raise ValueError('whole is zero')\n"
        "    return round(100 * part / whole, 1)\n",
        {"part": COUNT, "whole": COUNT},
        NUMBER,
        [((1, 2), 50.0), ((1, 3), 33.3), ((0, 5), 0.0), ((5, 4), 125.0)],
        [(1, 0)],
    ),
    Textbook(
        "def sign(number):\n    return (number > 0) - (number < 0)\n",
        {"number": SIGNED},
        _whole(-1, 1),
        [((7,), 1), ((1,), 1), ((0,), 0), ((-1,), -1)],
    ),
    Textbook(
        "def divisors(n):\n    return [d for d in range(1, n + 1) if n % d == 0]\n",
        {"n": _whole(1, 200)},
        _list_of(_whole(1, 200), most=200),
        [((1,), [1]), ((6,), [1, 2, 3, 6]), ((7,), [1, 7])],
    ),
    Textbook(
        "def digital_root(n):\n    while n > 9:\n        n = sum(int(d) for d in str(n))\n    return n\n",
        {"n": _whole(0, 10**6)},
        _whole(0, 9),
        [((0,), 0), ((9,), 9), ((10,), 1), ((38,), 2), ((999,), 9)],
    ),
    Textbook(
        "def pascal_row(n):\n    row = [1]\n    for k in range(n):\n        row.append(row[k] * (n - k) // (k + 1))\n"
        "    return row\n",
        {"n": _whole(0, 20)},
        _list_of(_whole(1, 200_000), most=21),
        [((0,), [1]), ((1,), [1, 1]), ((4,), [1, 4, 6, 4, 1])],
    ),
    Textbook(
        "def is_pangram(text):\n    return set('abc') <= set(text.lower())\n",
        {"text": {"type": "string", "pattern": "^[a-dA-D]{0,6}$"}},
        FLAG,
        [(("",), False), (("abc",), True), (("CAB",), True), (("aab",), False), (("dcba",), True)],
    ),
    Textbook(
        "def two_sum(values, total):\n    seen = {}\n    for place, value in enumerate(values):\n"
        "        if total - value in seen:\n            return [seen[total - value], place]\n"
        "        seen[value] = place\n    return []\n",
        {"values": NUMBERS, "total": SIGNED},
        _list_of(COUNT, most=2),
        [(([2, 7, 4], 11), [1, 2]), (([3, 3], 6), [0, 1]), (([1, 2], 9), []), (([], 0), [])],
    ),
    Textbook(
        "def majority(values):\n    kept, count = None, 0\n    for value in values:\n        if count == 0:\n"
        "            kept = value\n        count += 1 if value == kept else -1\n    return kept\n",
        {"values": _list_of(_whole(0, 3), least=1)},
        _whole(0, 3),
        [
            (([2],), 2),
            (([1, 2, 2],), 2),
            (([3, 3, 1],), 3),
            (([0, 1, 0, 2, 0],), 0),
            (([1, 2],), 1),
            (([3, 3, 0, 1, 3],), 3),
        ],
    ),
    Textbook(
        "def zeros_last(values):\n    return sorted(values, key=lambda value: value == 0)\n",
        {"values": NUMBERS},
        NUMBERS,
        [(([0, 3, 0, 1],), [3, 1, 0, 0]), (([],), []), (([0, -1],), [-1, 0])],
    ),
    Textbook(
        "def bracket_depth(text):\n    depth = deepest = 0\n    for c in text:\n        if c == '(':\n"
        "            depth += 1\n            deepest = max(deepest, depth)\n        elif c == ')':\n"
        "            depth -= 1\n    return deepest\n",
        {"text": {"type": "string", "pattern": "^[()a]{0,10}$"}},
        _whole(0, 10),
        [(("",), 0), (("(a)",), 1), (("((a)())",), 2), (("()((()))",), 3)],
    ),
    Textbook(
        "def invert(table):\n    return {value: key for key, value in table.items()}\n",
        {"table": {"type": "object", "additionalProperties": WORD}},
        {"type": "object", "additionalProperties": {"type": "string"}},
        [(({},), {}), (({"a": "b", "c": "d"},), {"b": "a", "d": "c"})],
    ),
    Textbook(
        "def running_max(values):\n    found = []\n    for value in values:\n"
        "        found.append(value if not found else max(found[-1], value))\n    return found\n",
        {"values": NUMBERS},
        NUMBERS,
        [(([],), []), (([3, 1, 4],), [3, 3, 4]), (([-2, -3],), [-2, -2]), (([1, 3, 2],), [1, 3, 3])],
    ),
    Textbook(
        "def days_in_month(year, month):\n    if month == 2:\n"
        "        leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)\n        return 29 if leap else 28\n"
        "    return 30 if month in (4, 6, 9, 11) else 31\n",
        {"year": _whole(1900, 2100), "month": _whole(1, 12)},
        _whole(28, 31),
        [
            ((2023, 2), 28),
            ((2024, 2), 29),
            ((1900, 2), 28),
            ((2000, 2), 29),
            *(((2024, month), 31) for month in (1, 3, 5, 7, 8, 10, 12)),
            *(((2024, month), 30) for month in (4, 6, 9, 11)),
        ],
    ),
    Textbook(
        "def whole_root(n):\n    guess = n\n    while guess * guess > n:\n        guess = (guess + n // guess) // 2\n"
        "    return guess\n",
        {"n": _whole(0, 10**9)},
        _whole(0, 40_000),
        [((0,), 0), ((1,), 1), ((15,), 3), ((16,), 4), ((10**6,), 1000), ((10**6 - 1,), 999)],
    ),
]
