"""Splits code and prose into comparable words.

``parseISODate``, ``parse_iso_dates`` and "parse ISO dates" have the same words.
"""

import re
from collections import Counter
from functools import lru_cache

_IDENTIFIER = re.compile(r"[^\W\d]\w*")
# A run of capitals without the first letter of the next word, a word, or a run of letters of another script.
_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W\dA-Za-z_]+")
_STOP_WORDS = frozenset(
    """
    a all also an and any are as at be been but by can could do does each for from had has have if in
    into is it its may more must no not of on one only or other our out shall should so some than that
    the their them then there these they this to use used using was we were what when where which who
    will with would you your
    def class return self none true false import str int list dict type
    """.split()  # noqa: SIM905 - a hundred quoted words would be harder to read
)


@lru_cache(maxsize=1 << 17)
def split_identifier(identifier: str) -> tuple[str, ...]:
    """The lower-case words of an identifier in the singular: ``HTTPServers`` has ``http`` and ``server``."""
    words = (_cut_plural(part.lower()) for part in _PART.findall(identifier))
    return tuple(word for word in words if len(word) > 1 and word not in _STOP_WORDS)


def count_words(text: str) -> Counter[str]:
    """How often each word occurs in ``text``, with identifiers split."""
    found: Counter[str] = Counter()
    # Identifiers are counted first: a file repeats the same ones, and splitting costs more than counting.
    for identifier, count in Counter(_IDENTIFIER.findall(text)).items():
        for word in split_identifier(identifier):
            found[word] += count
    return found


def _cut_plural(word: str) -> str:
    # Wrong for some words (`status`), but equally wrong in request and files, so they still match.
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if len(word) > 3 and word.endswith("s") and not word.endswith("ss"):
        return word[:-1]
    return word
