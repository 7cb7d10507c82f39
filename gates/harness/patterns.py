"""Regular expressions of contracts, matched in time that grows with the text and never explodes.

Author and text may both be hostile: ``(a+)+$`` takes ``re`` years over forty letters. So a pattern becomes a
list of states, and a text is read once with the set of states that it may be in (Thompson, "Regular
Expression Search Algorithm", 1968). What needs more than states is refused: look-around and back references.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from re import _compiler, _parser  # type: ignore[attr-defined,unused-ignore]
from typing import Any

_MAX_STATES = 3000
_MAX_NESTED_REPEATS = 4
_CHARACTERS = frozenset({"LITERAL", "NOT_LITERAL", "ANY", "IN"})


@dataclass(slots=True)
class _State:
    """A state: it takes a character, or looks at a place, or neither; then ``following`` comes."""

    takes: Callable[[str], Any] | None = None
    looks: Callable[[str, int], Any] | None = None
    following: list[int] = field(default_factory=list)


class LinearPattern:
    """A pattern of a contract. Raises ``ValueError`` for one that is not read, with the reason."""

    def __init__(self, text: str) -> None:
        parsed = _parser.parse(text)
        self._flags = parsed.state.flags
        self.states: list[_State] = []
        # Built from its end, so that each part knows what comes after it.
        self._end = self._add(_State())
        self._start = self._build(parsed, self._end, 0)

    def matches(self, text: str, spend: Callable[[int], None] = lambda _steps: None) -> bool:
        """Whether the pattern is found anywhere in ``text``, as ``re.search`` says it.

        ``spend`` is told of each step, and may raise.
        """
        current: set[int] = set()
        for place in range(len(text) + 1):
            current.add(self._start)
            current = self._follow(current, text, place)
            spend(len(current))
            if self._end in current:
                return True
            if place == len(text):
                return False
            current = self._step(current, text[place])
        return False

    def _step(self, current: set[int], character: str) -> set[int]:
        found: set[int] = set()
        for number in current:
            state = self.states[number]
            if state.takes is not None and state.takes(character):
                found.update(state.following)
        return found

    def _follow(self, current: set[int], text: str, place: int) -> set[int]:
        """``current`` and all states that are reached from there without a character."""
        waiting, seen = list(current), set(current)
        while waiting:
            state = self.states[waiting.pop()]
            if state.takes is not None or (state.looks is not None and not state.looks(text, place)):
                continue
            for number in state.following:
                if number not in seen:
                    seen.add(number)
                    waiting.append(number)
        return seen

    def _add(self, state: _State) -> int:
        if len(self.states) >= _MAX_STATES:
            raise ValueError("it repeats too much; use maxLength or maxItems for lengths")
        self.states.append(state)
        return len(self.states) - 1

    def _build(self, parsed: Any, following: int, depth: int) -> int:
        """The first state of what ``re`` has parsed; ``following`` comes after it."""
        for operator, argument in reversed(list(parsed)):
            following = self._build_part(str(operator), operator, argument, following, depth)
        return following

    def _build_part(self, name: str, operator: Any, argument: Any, following: int, depth: int) -> int:
        match name:
            case _ if name in _CHARACTERS:
                one = self._compile(operator, argument)
                return self._add(_State(takes=one.match, following=[following]))
            case "AT":
                return self._add(_State(looks=self._compile(operator, argument).match, following=[following]))
            case "SUBPATTERN" if not argument[1] and not argument[2]:
                return self._build(argument[3], following, depth)
            case "BRANCH":
                return self._add(
                    _State(following=[self._build(each, following, depth) for each in argument[1]])
                )
            case "MAX_REPEAT" | "MIN_REPEAT":
                low, high, inner = argument
                return self._build_repeat(low, high, inner, following, depth + 1)
        raise ValueError(f"{name.lower()} is not read; write it with characters, groups and repeats")

    def _build_repeat(self, low: int, high: Any, inner: Any, following: int, depth: int) -> int:
        if depth > _MAX_NESTED_REPEATS:
            raise ValueError(f"it has more than {_MAX_NESTED_REPEATS} repeats inside each other")
        if high == _parser.MAXREPEAT:
            again = self._add(_State(following=[following]))
            self.states[again].following.append(self._build(inner, again, depth))
            following = again
        else:
            # One that may be left out leads to the end at once.
            for _ in range(int(high) - low):
                following = self._add(_State(following=[self._build(inner, following, depth), following]))
        for _ in range(low):
            following = self._build(inner, following, depth)
        return following

    def _compile(self, operator: Any, argument: Any) -> Any:
        """A pattern of one part, which takes one character or none: ``re`` knows best what it means."""
        part = _parser.SubPattern(_parser.State(), [(operator, argument)])
        part.state.flags = self._flags
        return _compiler.compile(part, self._flags)


@lru_cache(maxsize=256)
def read_pattern(text: str) -> LinearPattern:
    """As ``LinearPattern(text)``, kept for the next time."""
    return LinearPattern(text)
