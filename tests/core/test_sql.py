"""Statements in ``.sql`` files: how a file is read, and that every statement of the product is described,
valid and used.
"""

import ast
import re
from pathlib import Path

import pytest
from django.db import connection

from orchestrator.core.sql import SqlStatement, read_statements

ROOT = Path(__file__).parents[2]
PACKAGES = ("orchestrator", "providers", "gates", "onboarding")
_STEP = re.compile(r"^(?:WITH )?(?:\), )?\w+ AS (?:NOT )?(?:MATERIALIZED )?\($", re.MULTILINE)
_PARAMETER = re.compile(r"%\((\w+)\)s")
LONGEST_THAT_PSYCOPG_CACHES = 4096


def find_files() -> list[Path]:
    """The product's files of named statements; files without a name in them hold functions and triggers."""
    found = [path for package in PACKAGES for path in (ROOT / package).rglob("sql/*.sql")]
    return sorted(path for path in found if re.search(r"^-- name: ", path.read_text("utf-8"), re.MULTILINE))


def every_statement() -> list[SqlStatement]:
    """The product's named statements."""
    return [statement for path in find_files() for statement in read_statements(path).values()]


def write(folder: Path, text: str) -> Path:
    """A file of statements."""
    path = folder / "some.sql"
    path.write_text(text, "utf-8")
    return path


def test_a_statement_has_its_name_its_description_and_its_code(tmp_path):
    path = write(
        tmp_path,
        "-- What this file is about.\n\n"
        "-- name: count_rows\n"
        "-- Count them.\n"
        "-- Locks nothing.\n"
        "SELECT count(*)  -- all of them\n"
        "FROM things\n"
        "WHERE note <> 'a -- b , c''d';\n\n"
        "-- name: delete_rows\n"
        "-- Delete them.\n"
        "DELETE FROM things WHERE id = %(id)s\n",
    )
    found = read_statements(path)
    assert list(found) == ["count_rows", "delete_rows"]
    assert found["count_rows"].description == "Count them. Locks nothing."
    assert found["count_rows"].sql == (
        "/* count_rows */ SELECT count(*)FROM things WHERE note <> 'a -- b , c''d'"
    )
    assert found["delete_rows"].sql == "/* delete_rows */ DELETE FROM things WHERE id = %(id)s"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("SELECT 1\n", "no line begins with '-- name: '"),
        ("-- name: a\nSELECT 1\n", "a has no description"),
        ("-- name: a\n-- A sentence.\n", "a has no SQL"),
        ("-- name: a\n-- A.\nSELECT 1\n-- name: a\n-- A.\nSELECT 2\n", "two statements are named a"),
    ],
)
def test_a_file_that_breaks_the_rules_stops_the_import(tmp_path, text, message):
    with pytest.raises(ValueError, match=message):
        read_statements(write(tmp_path, text))


def test_every_statement_asks_for_holds_in_the_same_words():
    """Plain SQL repeats the clause; a function would be called for each row, because PostgreSQL does not
    inline a subquery.
    """
    clause = re.compile(
        r"WHERE h\.scope = 'everything' OR h\.scope = 'repo' AND h\.target = [^=]+? "
        r"OR h\.scope = 'queue' AND h\.target ="
    )
    asking = [statement for statement in every_statement() if "FROM flows_hold h" in statement.sql]
    assert len(asking) >= 5
    for statement in asking:
        assert len(clause.findall(statement.sql)) == statement.sql.count("FROM flows_hold h"), statement.name


def test_names_are_unique_in_the_product():
    names = [statement.name for statement in every_statement()]
    assert sorted(set(names)) == sorted(names)


@pytest.mark.parametrize("path", find_files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_the_module_beside_a_file_uses_every_statement_of_it(path):
    module = path.parents[1] / f"{path.stem}.py"
    keys = [
        node.slice.value
        for node in ast.walk(ast.parse(module.read_text("utf-8")))
        if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant)
    ]
    assert set(read_statements(path)) <= set(keys)


@pytest.mark.parametrize("statement", every_statement(), ids=lambda statement: statement.name)
def test_every_step_says_why_it_is_there(statement):
    """A sentence for the statement, and a comment directly below the head of each common table expression."""
    assert statement.description.endswith(".")
    lines = statement.path.read_text("utf-8").splitlines()
    start = lines.index(f"-- name: {statement.name}")
    for number in range(start + 1, len(lines)):
        if lines[number].startswith("-- name: "):
            break
        if _STEP.match(lines[number]):
            assert lines[number + 1].strip().startswith("-- "), lines[number]


@pytest.mark.django_db
@pytest.mark.parametrize("statement", every_statement(), ids=lambda statement: statement.name)
def test_every_statement_is_valid_against_the_real_schema(statement):
    names = dict.fromkeys(_PARAMETER.findall(statement.sql))
    sql = statement.sql
    for number, name in enumerate(names, start=1):
        sql = sql.replace(f"%({name})s", f"${number}")
    # Sent by libpq as it is: the server parses and plans it, and runs nothing.
    connection.ensure_connection()
    answer = connection.connection.pgconn.prepare(b"conformance", sql.replace("%%", "%").encode())
    assert answer.error_message == b""
    connection.connection.pgconn.exec_(b"DEALLOCATE conformance")


@pytest.mark.parametrize("statement", every_statement(), ids=lambda statement: statement.name)
def test_every_statement_is_short_enough_for_the_cache_of_the_driver(statement):
    assert len(statement.sql.encode()) <= LONGEST_THAT_PSYCOPG_CACHES
