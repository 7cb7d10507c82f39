"""Files in which a model left code out and said so, and files that are not Python.

Either would be taken as the whole file, judged, and repaired in a round. Asking again costs one call, and the
line tells the model what it did.
"""

import re2

from gates import syntax
from orchestrator.flows.generation.parsing.errors import AnswerUnreadable

_ELLIPSIS = "(?:\\.\\.\\.|\u2026)"
_LEFT_OUT = (
    r"rest|remain\w*|unchanged|existing|previous|same as|as before|as above|omitted|elided|truncated"
    r"|keep|other|more|your|implementation|imports?|code|tests?|functions?|methods?"
)
# A comment, perhaps behind an ellipsis that stands for code. Only whole comments that say that something is
# left out: code may mention an ellipsis or "the rest" for other reasons. By RE2: a comment is as long as a
# model makes it.
_ELIDED = re2.compile(
    rf"(?i)^\s*(?:{_ELLIPSIS}\s*)?(?:#|//|--)\s*\(?\s*(?:"
    rf"{_ELLIPSIS}.*\b(?:{_LEFT_OUT})\b.*"
    rf"|.*\b(?:{_LEFT_OUT})\b.*{_ELLIPSIS}\W*"
    r"|(?:the\s+)?rest of (?:the |this |your )?\w+(?: \w+)?(?:\s+(?:is|are|remains?|stays?))?"
    r"\s*(?:unchanged|the same|as before|omitted|here)?"
    r"|(?:keep|with|same as)\s+(?:the\s+)?(?:existing|previous|original|rest)\b.*"
    r"|(?:existing|previous|unchanged|remaining|other)\s+"
    r"(?:code|imports?|implementation|tests?|functions?|methods?)"
    r"(?:\s+(?:here|unchanged|stays?|remains?|goes here|as before).*)?"
    r")\s*\)?\W*$"
)
_SHOWN = 100
"""Characters of a line that are quoted."""


def check_whole(path: str, text: str) -> None:
    """Raise ``AnswerUnreadable`` (``answer:elided``) where ``text`` says that it leaves code out."""
    if not path.endswith((".py", ".json")):
        return
    for number, line in enumerate(text.splitlines(), start=1):
        if _ELIDED.match(line):
            raise AnswerUnreadable(
                "answer:elided",
                f"{path} leaves something out in line {number}: {line.strip()[:_SHOWN]!r}.",
                f"Write the whole of {path}, also what has not changed.",
            )


def check_python(files: dict[str, str]) -> dict[str, str]:
    """``files``; raises ``AnswerUnreadable`` (``answer:syntax``) where one is not the Python that its name
    promises.
    """
    for path, text in files.items():
        if path.endswith(".py"):
            _check_python(path, text)
    return files


def _check_python(path: str, text: str) -> None:
    try:
        syntax.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        number = getattr(error, "lineno", None) or 1
        lines = text.splitlines()
        line = lines[number - 1] if 0 < number <= len(lines) else ""
        why = getattr(error, "msg", "") or type(error).__name__
        raise AnswerUnreadable(
            "answer:syntax",
            f"{path} is not Python: {why[:_SHOWN]} in line {number}: {line.strip()[:_SHOWN]!r}.",
            f"Write {path} as plain Python: no diff, no line numbers, no HTML entities, no text around it.",
        ) from error
