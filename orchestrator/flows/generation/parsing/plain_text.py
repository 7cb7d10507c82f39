"""The text of a model without what transport and habit put around it."""

import re

from orchestrator.flows.generation.parsing.errors import AnswerUnreadable

LIMIT = 1_000_000
"""The most characters of an answer that are read; the largest honest answer is a tenth of it."""

_REASONING = re.compile(r"\A\s*<(think|thinking|reasoning)>.*?</\1>", re.DOTALL | re.IGNORECASE)
# Byte order mark, zero-width spaces and joiners, word joiner, soft hyphen: models copy them from web pages.
_INVISIBLE = re.compile("[\ufeff\u200b\u200c\u200d\u2060\u00ad]")


def strip_wrapping(text: str) -> str:
    """``text`` with Unix line ends, without a byte order mark and without reasoning before the answer.

    Raises ``AnswerUnreadable`` (``answer:too-large``).
    """
    # Checked before anything searches the text: the patterns of this package take time on a huge one.
    if len(text) > LIMIT:
        raise AnswerUnreadable(
            "answer:too-large", f"The answer has {len(text)} characters.", "Answer with much less text."
        )
    text = text.replace("\r\n", "\n").replace("\r", "\n").lstrip("\ufeff\u200b\u2060")
    # Only at the start, and once: further on the same tags may be part of a generated file.
    return _REASONING.sub("", text, count=1)


def simplify_line(line: str) -> str:
    """``line`` without invisible characters and with one space for each run of spaces, to compare it with a
    delimiter.

    RE2, which reads it then, knows no lone surrogates and no spaces beyond ASCII.
    """
    return " ".join(_INVISIBLE.sub("", line).split()).encode("utf-8", "replace").decode()


def is_storable(text: str) -> bool:
    """Whether PostgreSQL and a UTF-8 file can hold ``text``: no NUL, no lone surrogate."""
    return "\0" not in text and not any("\ud800" <= char <= "\udfff" for char in text)
