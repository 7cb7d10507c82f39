"""Marks of an instant, and restored servers beside them: on real servers, while flows are written."""

import json
import os
import sys
from dataclasses import replace
from datetime import timedelta
from io import StringIO
from pathlib import Path

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from rich.console import Console

from orchestrator import child_processes
from orchestrator.dev import restore_drill
from orchestrator.dev.postgres_programs import PostgresProgramError, PostgresPrograms
from orchestrator.dev.steps import Steps
from orchestrator.ops.backups import comparison, restore_marks
from tests import scenes
from tests.databases import url_of_test_database
from tests.own_postgres import OwnPostgres, run_own_postgres

ROOT = Path(__file__).parents[3]
# The writer is to be held up by the mark alone.
_PLENTY = {
    f"{provider}_{limit}": str(10**9)
    for provider in ("GOOGLE", "ANTHROPIC")
    for limit in ("DAILY_TOKEN_QUOTA", "REQUESTS_PER_MINUTE", "TOKENS_PER_MINUTE")
}
_PLENTY |= {"DAILY_BUDGET_USD": "1000000", "REPO_SHARE_PERCENT": "100", "REPO_FLOWS_PER_MINUTE": "100000"}
_PLENTY |= {"REPO_OPEN_FLOWS": "100000"}


@pytest.fixture
def own_postgres(transactional_db):
    with run_own_postgres() as server:
        yield server


@pytest.fixture
def writing(own_postgres: OwnPostgres):
    """Flows are written into the server until the test is over."""
    child = child_processes.start(
        [sys.executable, "-m", "tests.ops.backups.writer"],
        environment=os.environ | _PLENTY | {"DATABASE_URL": own_postgres.url},
        cwd=ROOT,
    )
    while own_postgres.run("SELECT count(*) FROM flows_flow") == [(0,)]:
        assert child.poll() is None, "the writer has ended"
    yield child
    child_processes.stop(child)


@pytest.mark.slow
def test_a_new_server_has_the_rows_of_the_instant_and_none_that_came_after(own_postgres, writing, tmp_path):
    values = {**os.environ, "DATABASE_URL": own_postgres.url}
    folder = own_postgres.data.with_name("drill")
    folder.mkdir()
    if own_postgres.programs.account is not None:
        own_postgres.programs.account.own(folder)
    with Steps(Console(file=StringIO())) as steps:
        report = restore_drill.run_drill(own_postgres.programs, values, folder, steps, seconds=0.5)
    assert writing.poll() is None
    assert report.rows > 100
    assert report.tables > 60
    # The new server stopped at the instant: flows were written up to the end of the drill.
    assert report.rows_left_out > 20
    # What the drill started is stopped, and the primary serves on.
    assert own_postgres.run("SELECT pg_is_in_recovery()") == [(False,)]


def write_program(folder: Path, name: str, script: str) -> PostgresPrograms:
    path = folder / "bin" / "pg" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return PostgresPrograms(path.parent, None)


def test_programs_of_another_version_are_refused(transactional_db, tmp_path):
    programs = write_program(tmp_path, "postgres", "echo 'postgres (PostgreSQL) 12.3'")
    values = {"DATABASE_URL": url_of_test_database()}
    with (
        Steps(Console(file=StringIO())) as steps,
        pytest.raises(restore_drill.RestoreDrillError, match=r"The server is PostgreSQL \d+") as caught,
    ):
        restore_drill.run_drill(programs, values, tmp_path, steps)
    assert "PG_PROGRAMS" in caught.value.cure


def test_a_program_that_fails_says_why(tmp_path):
    programs = write_program(tmp_path, "pg_basebackup", "echo the disk is full; exit 1")
    with pytest.raises(PostgresProgramError, match=r"pg_basebackup failed: the disk is full"):
        restore_drill.take_base_backup(programs, "postgres://nowhere", tmp_path)
    with pytest.raises(PostgresProgramError, match=r"no PostgreSQL that runs here"):
        programs.read_major()


def mark(folder: Path) -> restore_marks.RestoreMark:
    file = folder / "mark.json"
    call_command("mark_restore_point", str(file), stdout=StringIO())
    return restore_marks.read_mark(file.read_text())


def write_elsewhere(one: restore_marks.RestoreMark, folder: Path) -> Path:
    """The mark as if it were of another run of the server, which the test's is then compared with."""
    file = folder / "elsewhere.json"
    file.write_text(replace(one, started_at=one.started_at - timedelta(hours=1)).write_json())
    return file


def test_a_server_with_the_same_rows_passes_and_each_difference_is_named(transactional_db, tmp_path):
    made = scenes.make_flow()
    file = write_elsewhere(mark(tmp_path), tmp_path)
    output = StringIO()
    call_command("check_restore", str(file), stdout=output)
    assert "1 flows, " in output.getvalue()
    assert "all the same" in output.getvalue()

    made.repo.clone_url = "https://git.example.org/other.git"
    made.repo.save()
    scenes.make_repo("one-more")
    scenes.make_flow(scenes.make_repo("two-more"))
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE left_over (id int)")
    try:
        with pytest.raises(CommandError, match=r"tables are not as they were at 2"):
            call_command("check_restore", str(file), stdout=output)
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP TABLE left_over")
    told = output.getvalue()
    assert "public.repos has 3 rows, 1 at the instant" in told
    assert "public.flows_flow has 2 rows, 1 at the instant" in told
    assert "public.left_over was not there at the instant" in told


def test_a_row_with_another_value_is_a_difference(transactional_db, tmp_path):
    repo = scenes.make_repo()
    file = write_elsewhere(mark(tmp_path), tmp_path)
    repo.clone_url = "https://git.example.org/other.git"
    repo.save()
    output = StringIO()
    with pytest.raises(CommandError):
        call_command("check_restore", str(file), stdout=output)
    assert "public.repos has 1 rows, and some of them are not the same" in output.getvalue()


def test_the_server_of_the_mark_is_no_restored_one(transactional_db, tmp_path):
    found = mark(tmp_path)
    with pytest.raises(comparison.RestoreComparisonError, match="the server that was marked"):
        comparison.compare_with_mark(found)
    newer = replace(found, started_at=found.started_at - timedelta(hours=1), server_version=170002)
    with pytest.raises(comparison.RestoreComparisonError, match="The mark is of PostgreSQL 17"):
        comparison.compare_with_mark(newer)


def test_a_mark_holds_up_nobody_for_long(transactional_db, monkeypatch, tmp_path):
    """Where a table stays locked, the mark gives up; writers have their turn in between."""
    monkeypatch.setattr(restore_marks, "_LOCK_MILLISECONDS", (50, 50))
    monkeypatch.setattr(restore_marks, "_PAUSE_SECONDS", 0.01)
    with psycopg.connect(url_of_test_database()) as other:
        other.execute("LOCK TABLE repos IN ROW EXCLUSIVE MODE")
        with pytest.raises(CommandError, match="keeps a table locked"):
            call_command("mark_restore_point", str(tmp_path / "mark.json"))
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_locks WHERE mode = 'ShareLock' AND pid = pg_backend_pid()"
            )
            assert cursor.fetchone() == (0,)
    assert mark(tmp_path).tables["public.repos"].rows == 0


def test_writers_go_on_while_the_digests_are_computed(transactional_db, monkeypatch, tmp_path):
    def write_meanwhile(tables):
        with psycopg.connect(url_of_test_database(), options="-c lock_timeout=1000") as other:
            other.execute("UPDATE repos SET clone_url = 'https://git.example.org/later.git'")
        return digest(tables)

    scenes.make_repo()
    file = write_elsewhere(mark(tmp_path), tmp_path)
    before = restore_marks.read_mark(file.read_text()).tables["public.repos"]
    digest = restore_marks.digest_tables
    monkeypatch.setattr(restore_marks, "digest_tables", write_meanwhile)
    found = restore_marks.mark_instant("later")
    # What was written after the instant is not in it.
    assert found.tables["public.repos"] == before


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", json.dumps({"format": 2}), json.dumps({"format": 1, "tables": {}})]
)
def test_a_file_that_is_no_mark_is_refused(tmp_path, text):
    file = tmp_path / "mark.json"
    file.write_text(text)
    with pytest.raises(CommandError, match="mark_restore_point FILE"):
        call_command("check_restore", str(file))


def test_files_are_neither_written_over_nor_guessed(transactional_db, tmp_path):
    (tmp_path / "mark.json").write_text("kept")
    with pytest.raises(CommandError, match="exists"):
        call_command("mark_restore_point", str(tmp_path / "mark.json"))
    with pytest.raises(CommandError, match="at most 63"):
        call_command("mark_restore_point", str(tmp_path / "other.json"), name="a" * 64)
    with pytest.raises(CommandError, match="cannot be read"):
        call_command("check_restore", str(tmp_path / "missing.json"))
    assert (tmp_path / "mark.json").read_text() == "kept"
