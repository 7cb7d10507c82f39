"""Named SQL statements in ``.sql`` files.

A module ``claim.py`` has its statements in ``sql/claim.sql`` beside it.

A file is a list of statements::

    -- name: claim_stage
    -- One sentence or more: what the statement does, and what makes it safe.
    WITH f AS (
        -- Each step says why it is there.
        SELECT ...
    )

Parameters are named, ``%(stage)s``; a literal percent sign is written ``%%``. ``tests/core/test_sql.py``
prepares every statement against the real schema and refuses one that has no comments or no use.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_NAME = re.compile(r"-- name: ([a-z][a-z0-9_]*)")
# A string, which is kept as it is, or white space and comments, which become one space.
_STRING_OR_GAP = re.compile(r"('(?:[^']|'')*')|(?:\s|--[^\n]*)+")
# The same, or white space beside a bracket or a comma, which says nothing.
_STRING_OR_BRACKET = re.compile(r"('(?:[^']|'')*')| ?([(),]) ?")


@dataclass(frozen=True, slots=True)
class SqlStatement:
    """One SQL statement, as a file names it and as the server gets it.

    ``sql`` is what the server gets: its name as a comment, then the code without other comments.

    psycopg parses the parameters of a statement of up to 4,096 bytes once and those of a longer one at every
    call, so the comments for readers are not sent. The name is, because ``pg_stat_activity`` and
    ``pg_stat_statements`` then show it.
    """

    name: str
    description: str
    sql: str
    path: Path


def load_statements(module_file: str) -> dict[str, SqlStatement]:
    """Read the statements of a module, by name: ``_SQL = load_statements(__file__)``.

    Raises ``ValueError`` for a file that is not a list of named and described statements, so that a mistake
    stops the import.
    """
    module = Path(module_file)
    return read_statements(module.parent / "sql" / f"{module.stem}.sql")


def read_statements(path: Path) -> dict[str, SqlStatement]:
    """Read the statements of one ``.sql`` file, by name; raises as ``load_statements`` does."""
    statements: dict[str, SqlStatement] = {}
    for name, lines in _split_at_names(path):
        if name in statements:
            raise ValueError(f"{path}: two statements are named {name}.")
        statements[name] = _parse_statement(name, lines, path)
    if not statements:
        raise ValueError(f"{path}: no line begins with '-- name: '.")
    return statements


def shorten_sql(code: str) -> str:
    """``code`` without the spaces beside brackets and commas."""
    return _STRING_OR_BRACKET.sub(lambda found: found[1] or found[2], code)


def _split_at_names(path: Path) -> Iterator[tuple[str, list[str]]]:
    """Each name with the lines below it, up to the next name."""
    name, lines = "", list[str]()
    for line in path.read_text(encoding="utf-8").splitlines():
        header = _NAME.fullmatch(line)
        if header is None:
            lines.append(line)
            continue
        if name:
            yield name, lines
        name, lines = header[1], []
    if name:
        yield name, lines


def _parse_statement(name: str, lines: list[str], path: Path) -> SqlStatement:
    description: list[str] = []
    for line in lines:
        if not line.startswith("--"):
            break
        description.append(line.removeprefix("--").strip())
    if not description:
        raise ValueError(f"{path}: the statement {name} has no description below its name.")
    body = "\n".join(lines[len(description) :])
    code = _STRING_OR_GAP.sub(lambda found: found[1] or " ", body).strip().removesuffix(";")
    code = shorten_sql(code)
    if not code:
        raise ValueError(f"{path}: the statement {name} has no SQL.")
    return SqlStatement(name, " ".join(description), f"/* {name} */ {code}", path)
