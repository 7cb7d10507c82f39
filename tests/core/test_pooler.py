"""A pooler between the product and PostgreSQL: a real PgBouncer, where it is installed."""

import os
import pwd
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
import pytest
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured

from orchestrator import child_processes
from orchestrator.core.pooler import require_own_sessions
from orchestrator.dev import embedded

PGBOUNCER = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
with_pgbouncer = pytest.mark.skipif(PGBOUNCER is None, reason="needs PgBouncer: apt install pgbouncer")
Start = Callable[..., None]


@pytest.fixture
def start_pooler(settings) -> Iterator[Start]:
    """Starts a PgBouncer before the server of the tests, and points ``default`` at it."""
    stack = ExitStack()

    def start(pool_mode: str, *, query: str = "", **more: str) -> None:
        own, port = settings.DATABASES["default"], embedded.find_free_port()
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="pooler-")))
        parts = {"host": own["HOST"], "port": own["PORT"], "user": own["USER"], "password": own["PASSWORD"]}
        target = " ".join(f"{name}={value}" for name, value in parts.items() if value)
        options = {"listen_addr": "127.0.0.1", "listen_port": str(port), "auth_type": "any"}
        options |= {"pool_mode": pool_mode, "unix_socket_dir": "", "logfile": str(folder / "log")} | more
        text = [f"[databases]\npooled = dbname={own['NAME']} {target} {query}\n[pgbouncer]"]
        text += [f"{name} = {value}" for name, value in options.items()]
        config = folder / "pgbouncer.ini"
        config.write_text("\n".join(text) + "\n")
        account = None
        if os.geteuid() == 0:  # which PgBouncer refuses to run as
            account = pwd.getpwnam("nobody")
            for path in (folder, config):
                os.chown(path, account.pw_uid, account.pw_gid)
        child = child_processes.start(
            [str(PGBOUNCER), str(config)],
            death_signal=signal.SIGKILL,
            output=subprocess.DEVNULL,
            user=account and account.pw_uid,
            group=account and account.pw_gid,
        )
        stack.callback(child_processes.stop, child, first=signal.SIGKILL)
        wait_until_open(port, folder / "log")
        changed = {"HOST": "127.0.0.1", "PORT": str(port), "NAME": "pooled"}
        settings.DATABASES = {"default": own | changed}

    with stack:
        yield start


def wait_until_open(port: int, log: Path) -> None:
    end = time.monotonic() + 30
    while time.monotonic() < end:
        with suppress(psycopg.OperationalError):
            psycopg.connect(host="127.0.0.1", port=port, dbname="pooled", user="postgres").close()
            return
        time.sleep(0.02)
    raise AssertionError(log.read_text() if log.exists() else "PgBouncer did not start")


@pytest.mark.django_db
def test_a_server_without_a_pooler_is_taken() -> None:
    require_own_sessions()
    assert run_checks(tags=["database"], databases=["default"]) == []


def test_a_database_that_is_away_is_not_refused(settings) -> None:
    own = settings.DATABASES["default"]
    settings.DATABASES = {"default": own | {"HOST": "127.0.0.1", "PORT": str(embedded.find_free_port())}}
    require_own_sessions()


@with_pgbouncer
@pytest.mark.parametrize("more", [{}, {"server_round_robin": "1"}])
def test_a_pooler_in_transaction_mode_is_refused_with_the_reason(start_pooler: Start, more) -> None:
    start_pooler("transaction", ignore_startup_parameters="options", **more)
    with pytest.raises(ImproperlyConfigured, match=r"pool_mode = transaction.*pool_mode = session"):
        require_own_sessions()
    (said,) = run_checks(tags=["database"], databases=["default"])
    assert said.id == "core.E001"


@with_pgbouncer
def test_what_a_pooler_in_session_mode_needs_is_said(start_pooler: Start) -> None:
    start_pooler("session")
    with pytest.raises(ImproperlyConfigured, match="ignore_startup_parameters = options"):
        require_own_sessions()
    start_pooler("session", ignore_startup_parameters="options")
    with pytest.raises(ImproperlyConfigured, match=r"ALTER ROLE \S+ SET plan_cache_mode"):
        require_own_sessions()


@with_pgbouncer
def test_a_pooler_in_session_mode_with_its_settings_is_taken(start_pooler: Start) -> None:
    start_pooler(
        "session",
        query="connect_query='SET plan_cache_mode = force_generic_plan'",
        ignore_startup_parameters="options",
    )
    require_own_sessions()
