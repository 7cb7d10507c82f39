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


@contextmanager
def run_pgbouncer(target: Mapping[str, str], options: Mapping[str, str]) -> Iterator[int]:
    """Run PgBouncer before the server ``target`` (words of libpq); yields the port that has ``NAME``."""
    port = embedded.find_free_port()
    with TemporaryDirectory(prefix="pgbouncer-") as name:
        folder, log = Path(name), Path(name, "log")
        settings = {"listen_addr": "127.0.0.1", "listen_port": str(port), "auth_type": "any"}
        settings |= {"unix_socket_dir": "", "logfile": str(log), "max_client_conn": "1000"}
        settings |= {"default_pool_size": "150", **options}
        words = " ".join(f"{word}={value}" for word, value in target.items() if value)
        lines = ["[databases]", f"{NAME} = {words}", "[pgbouncer]"]
        lines += [f"{word} = {value}" for word, value in settings.items()]
        config = folder / "pgbouncer.ini"
        config.write_text("\n".join([*lines, ""]), encoding="ascii")
        account = None
        if os.geteuid() == 0:  # which PgBouncer refuses to run as
            account = pwd.getpwnam("nobody")
            for path in (folder, config):
                os.chown(path, account.pw_uid, account.pw_gid)
        child = child_processes.start(
            [str(PROGRAM), str(config)],
            death_signal=signal.SIGKILL,
            output=subprocess.DEVNULL,
            user=account and account.pw_uid,
            group=account and account.pw_gid,
        )
        try:
            _wait_until_open(port, log)
            yield port
        finally:
            child_processes.stop(child, first=signal.SIGKILL)


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
