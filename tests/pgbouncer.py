"""A real PgBouncer before a database, where it is installed."""

import os
import pwd
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psycopg

from orchestrator import child_processes
from orchestrator.dev import embedded

PROGRAM = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
NAME = "pooled"
# What the product needs of a pooler, beside session mode.
SESSION_OPTIONS = {"pool_mode": "session", "ignore_startup_parameters": "options"}


class RunningPgBouncer:
    """One process, which may be killed and started again on the same port."""

    def __init__(self, folder: Path, target: Mapping[str, str], options: Mapping[str, str]) -> None:
        self.port = embedded.find_free_port()
        self._log, self._config = folder / "log", folder / "pgbouncer.ini"
        settings = {"listen_addr": "127.0.0.1", "listen_port": str(self.port), "auth_type": "any"}
        settings |= {"unix_socket_dir": "", "logfile": str(self._log), "max_client_conn": "1000"}
        settings |= {"default_pool_size": "150", **options}
        words = " ".join(f"{word}={value}" for word, value in target.items() if value)
        lines = ["[databases]", f"{NAME} = {words}", "[pgbouncer]"]
        lines += [f"{word} = {value}" for word, value in settings.items()]
        self._config.write_text("\n".join([*lines, ""]), encoding="ascii")
        self._account = None
        if os.geteuid() == 0:  # which PgBouncer refuses to run as
            self._account = pwd.getpwnam("nobody")
            for path in (folder, self._config):
                os.chown(path, self._account.pw_uid, self._account.pw_gid)

    def start(self) -> None:
        """Start it and wait until it passes a session on."""
        account = self._account
        self._child = child_processes.start(
            [str(PROGRAM), str(self._config)],
            death_signal=signal.SIGKILL,
            output=subprocess.DEVNULL,
            user=account and account.pw_uid,
            group=account and account.pw_gid,
        )
        _wait_until_open(self.port, self._log)

    def kill(self) -> None:
        """End it with every session, as a machine that is gone."""
        child_processes.stop(self._child, first=signal.SIGKILL)


@contextmanager
def run_pgbouncer(target: Mapping[str, str], options: Mapping[str, str]) -> Iterator[int]:
    """Run PgBouncer before the server ``target`` (words of libpq); yields the port that has ``NAME``."""
    with start_pgbouncer(target, options) as running:
        yield running.port


@contextmanager
def start_pgbouncer(target: Mapping[str, str], options: Mapping[str, str]) -> Iterator[RunningPgBouncer]:
    """The same; yields the process."""
    with TemporaryDirectory(prefix="pgbouncer-") as name:
        running = RunningPgBouncer(Path(name), target, options)
        running.start()
        try:
            yield running
        finally:
            running.kill()


def set_plan_mode(cursor: Any, mode: str) -> None:
    """Let each session of the cursor's role in its database begin with ``plan_cache_mode`` = ``mode``."""
    cursor.execute("SELECT quote_ident(current_database())")
    (name,) = cursor.fetchone()
    cursor.execute(f"ALTER ROLE CURRENT_USER IN DATABASE {name} SET plan_cache_mode = {mode}")


def _wait_until_open(port: int, log: Path) -> None:
    end = time.monotonic() + 30
    while time.monotonic() < end:
        with suppress(psycopg.OperationalError):
            psycopg.connect(host="127.0.0.1", port=port, dbname=NAME, user="postgres").close()
            return
        time.sleep(0.02)
    raise AssertionError(log.read_text() if log.exists() else "PgBouncer did not start")
