"""Whether what a model calls a contradiction of the request is one: two different quotations of it.

A wrong claim ends the flow and sends its author to look for a fault that is not there. A model that fills in
every field says "none" in it, and one that finds a request hard says so in words of its own.
"""

import re
from collections.abc import Iterable, Mapping

from orchestrator.flows.generation.parsing.errors import AnswerUnreadable

MAX_REASON = 2000
"""The most characters of a contradiction that are kept."""

_ABSENT = frozenset(
    {"", "none", "no", "n/a", "na", "nothing", "null", "-", "no contradiction", "no contradictions"}
)
# Models change quotation marks, line breaks and Markdown when they quote.
_DECORATION = re.compile(r"[\s\"'`*_\u2018\u2019\u201c\u201d\u00ab\u00bb]+")
# An apostrophe inside a word is not a quotation mark.
_QUOTED = re.compile(
    r"\"([^\"]+)\"|\u201c([^\u201d]+)\u201d|\u00ab([^\u00bb]+)\u00bb|`([^`]+)`"
    r"|(?<!\w)['\u2018](.+?)['\u2019](?!\w)|^\s*>\s*(.+)$",
    re.MULTILINE,
)
_MIN_LETTERS = 6
_LONGEST_REASON = 8000
"""Characters that are searched for quotations: each mark that is not closed is looked for to the end."""


def quote_contradictions(claims: Iterable[Mapping[str, str]], request: str) -> str:
    """The contradictions in words, from claims with ``first``, ``second`` and ``why``; empty without any.

    Raises ``AnswerUnreadable`` (``answer:unquoted-contradiction``) where a claim does not quote ``request``.
    """
    told = []
    for claim in claims:
        first, second, why = (claim[key].strip() for key in ("first", "second", "why"))
        if is_absent(first) and is_absent(second):
            continue
        _check_quotes([first, second], request)
        told.append(f'"{first}" and "{second}" exclude each other: {why}')
    return "\n".join(told)[:MAX_REASON]


def check_reason(reason: str, request: str) -> None:
    """Raise ``AnswerUnreadable`` where ``reason``, free text, does not hold two quotations of ``request``."""
    _check_quotes(["".join(parts) for parts in _QUOTED.findall(reason[:_LONGEST_REASON])], request)


def is_quoted(quote: str, request: str) -> bool:
    """Whether ``quote`` is in ``request``, as far as models keep to the letter."""
    simple = _simplify(quote)
    return len(simple) >= _MIN_LETTERS and simple in _simplify(request)


def is_absent(text: str) -> bool:
    """Whether ``text`` says that there is nothing to say."""
    return text.strip().strip(".").lower() in _ABSENT


def _check_quotes(quotes: Iterable[str], request: str) -> None:
    source = _simplify(request)
    found = {quote for quote in map(_simplify, quotes) if len(quote) >= _MIN_LETTERS and quote in source}
    if len(found) < 2:
        raise AnswerUnreadable(
            "answer:unquoted-contradiction",
            "The answer says that the request contradicts itself and does not quote two sentences of it.",
            "Quote both sentences to the letter, each in quotation marks. If no two sentences of the request "
            "exclude each other, decide what is open, and answer with the block.",
        )


def _simplify(text: str) -> str:
    return _DECORATION.sub(" ", text).strip(" .").casefold()
