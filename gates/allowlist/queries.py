"""What SQL may do in a database in memory: reach no file, and compute with what it is given.

``ATTACH`` and ``VACUUM INTO`` open files by a text, so the beginning of each statement has to be literal. SQL
has a clock and draws of its own, which need the same capabilities as Python's.
"""

import ast
import re

from gates.allowlist.bindings import Bindings

METHODS = frozenset({"execute", "executemany", "executescript"})
# Code of other libraries, loaded into the process.
LOADERS = frozenset({"enable_load_extension", "load_extension"})
_HARMLESS = frozenset(
    """
    ALTER ANALYZE BEGIN COMMIT CREATE DELETE DROP END EXPLAIN INSERT PRAGMA REINDEX RELEASE REPLACE ROLLBACK
    SAVEPOINT SELECT UPDATE VALUES WITH
    """.split()  # noqa: SIM905 - a list of words reads better as words
)
_MAX_DEPTH = 10
_FIRST_WORD = re.compile(r"(?:\s|--[^\n]*\n|/\*.*?\*/|;)*([A-Za-z]+)\b", re.DOTALL)
_REACHES_FILES = re.compile(r"\b(?:ATTACH|VACUUM|load_extension|temp_store_directory)\b", re.IGNORECASE)
_READS_CLOCK = re.compile(
    r"""
    \bcurrent_(?:date|time|timestamp)\b
    | ^\s*(?:now|subsec|subsecond)\s*$ | ['"](?:now|subsec|subsecond)['"]
    # Without a time these take the present one.
    | \b(?:date|time|datetime|julianday|unixepoch)\s*\(\s*\)
    | \bstrftime\s*\(\s*(?:'[^']*'|"[^"]*"|[?:@$]\w*)\s*\)
    """,
    re.IGNORECASE | re.VERBOSE,
)
_DRAWS = re.compile(r"\brandom(?:blob)?\s*\(", re.IGNORECASE)


def find_query_capability(text: str) -> str:
    """What a text of a file with a database needs if it is SQL, or a value of one; empty for nothing."""
    if _READS_CLOCK.search(text):
        return "clock"
    return "randomness" if _DRAWS.search(text) else ""


def reaches_files(node: ast.Call, method: str, bindings: Bindings) -> bool:
    """Whether the SQL of a call may open a file, as far as its text shows."""
    if not node.args:
        return bool(node.keywords)
    texts = find_openings(node.args[0], bindings)
    if texts is None:
        return True
    if any(_REACHES_FILES.search(text) for text in texts):
        return True
    # Several statements: the whole text has to be known.
    if method == "executescript":
        return bindings.find_literals(node.args[0]) is None
    for text in texts:
        first = _FIRST_WORD.match(text)
        if first is None or first[1].upper() not in _HARMLESS:
            return True
    return False


def find_openings(node: ast.expr, bindings: Bindings, depth: int = 0) -> list[str] | None:
    """The literal texts with which an expression may begin; ``None`` where that is not known."""
    if depth > _MAX_DEPTH:
        return None
    whole = bindings.find_literals(node)
    if whole is not None:
        return whole
    match node:
        case ast.JoinedStr(values=[ast.Constant(value=str() as text), *_]):
            return [text]
        case ast.BinOp(left=left, op=ast.Add() | ast.Mod()):
            return find_openings(left, bindings, depth + 1)
        case ast.Call(func=ast.Attribute(value=base, attr="format" | "strip" | "rstrip")):
            return find_openings(base, bindings, depth + 1)
        case ast.IfExp(body=body, orelse=other):
            return _join([find_openings(each, bindings, depth + 1) for each in (body, other)])
        case ast.Name(id=name):
            return _join([find_openings(each, bindings, depth + 1) for each in bindings.find_values(name)])
    return None


def _join(found: list[list[str] | None]) -> list[str] | None:
    if not found or None in found:
        return None
    return [text for texts in found for text in texts or ()]
