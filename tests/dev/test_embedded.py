"""The embedded servers, from outside: they come up, do not meet, and nothing of them survives."""

import contextlib
import os
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
def _launched() -> Iterator[tuple[subprocess.Popen[str], str, str]]:
    launcher = subprocess.Popen(
        [*LAUNCH, TALK],
        env=_bare_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509 - as a terminal starts it
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


def test_two_launchers_do_not_meet() -> None:
    with _launched() as (_, database, broker), _launched() as (_, other_database, other_broker):
        assert database != other_database
        assert broker != other_broker
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute("CREATE TABLE mine ()")
        with psycopg.connect(other_database) as connection:
            assert connection.execute("SELECT to_regclass('mine')").fetchone() == (None,)


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
    with embedded.environment() as values:
        assert values["DATABASE_URL"] == "postgres://somewhere/else"
        assert values["REDIS_URL"] == "redis://somewhere:1/0"
        assert {child.pid for child in psutil.Process().children()} <= before


def test_a_kept_database_is_found_again_and_refuses_a_second_server(tmp_path: Path) -> None:
    with embedded.postgres(tmp_path) as url:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("CREATE TABLE kept ()")
        with pytest.raises(embedded.EmbeddedServerError, match="in use"), embedded.postgres(tmp_path):
            pass
    with embedded.postgres(tmp_path) as url, psycopg.connect(url) as connection:
        assert connection.execute("SELECT to_regclass('kept')").fetchone() == ("kept",)


def test_folders_of_killed_launchers_are_swept(monkeypatch: pytest.MonkeyPatch) -> None:
    # A temporary folder of its own: in the common one, whoever starts a server next would sweep before we look.
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
        with embedded.postgres():
            assert not folder.is_dir()
