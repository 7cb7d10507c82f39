"""PostgreSQL and Valkey of one run, and what can be done to them."""

import contextlib
import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
import redis

from orchestrator import child_processes
from orchestrator.dev import embedded
from orchestrator.queues import Queue

_SWITCH = """
CREATE TABLE chaos_full (until timestamptz NOT NULL);
CREATE FUNCTION chaos_disk_full() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (SELECT 1 FROM chaos_full WHERE until > clock_timestamp()) THEN
    RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100';
  END IF;
  RETURN NULL;
END $$;
"""
_FULL_TABLES = (
    "flows_flow",
    "flows_stage",
    "flows_attempt",
    "flows_flowevent",
    "flows_artifact",
    "providers_providercall",
)


def _command(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/cmdline").read_bytes().decode().rstrip("\0").split("\0")


class Postgres:
    """A running server. ``url`` names one database of it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._restarted: list[subprocess.Popen[bytes]] = []
        self.pid = self._postmaster()
        self._argv = _command(self.pid)
        owner = Path(f"/proc/{self.pid}").stat()
        self._identity = (owner.st_uid, owner.st_gid) if os.geteuid() == 0 else (None, None)

    def _postmaster(self) -> int:
        with self.connect() as db:
            folder = db.execute("SHOW data_directory").fetchone()
            # A run must survive an immediate restart: what was committed has to be in the log.
            db.execute("ALTER ROLE ALL SET synchronous_commit = on")
        return int((Path(folder[0]) / "postmaster.pid").read_text().splitlines()[0])

    def connect(self, name: str = "postgres") -> "psycopg.Connection[Any]":
        """A connection that commits every statement."""
        return psycopg.connect(self.database(name), autocommit=True, connect_timeout=5)

    def database(self, name: str) -> str:
        """The URL of one database."""
        return urlunsplit(urlsplit(self.url)._replace(path=f"/{name}")).replace(":///", "://postgres@/", 1)

    def create(self, name: str, template: str | None = None) -> str:
        """Make a database, as a copy of ``template``; its URL."""
        with self.connect() as db:
            db.execute(f"CREATE DATABASE {name}" + (f" TEMPLATE {template}" if template else ""))
        return self.database(name)

    def prepare_full(self, name: str) -> None:
        """Make a database able to answer that its disk is full."""
        with self.connect(name) as db:
            db.execute(_SWITCH)
            for table in _FULL_TABLES:
                db.execute(
                    f"CREATE TRIGGER chaos_full BEFORE INSERT OR UPDATE ON {table} FOR EACH STATEMENT"
                    " EXECUTE FUNCTION chaos_disk_full()"
                )

    def fill(self, name: str, seconds: float) -> None:
        """Every write is refused with 53100 for so long."""
        with self.connect(name) as db:
            db.execute(
                "INSERT INTO chaos_full VALUES (clock_timestamp() + make_interval(secs => %s))", [seconds]
            )

    def cut_sessions(self, name: str) -> int:
        """Terminate every other session of a database."""
        with self.connect(name) as db:
            cut = db.execute(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                " WHERE datname = %s AND pid <> pg_backend_pid()",
                [name],
            ).fetchone()
        return int(cut[0])

    def restart(self) -> None:
        """Stop at once, as a crash does, and recover."""
        os.kill(self.pid, signal.SIGQUIT)
        while Path(f"/proc/{self.pid}").exists() and not _zombie(self.pid):
            time.sleep(0.01)
        user, group = self._identity
        child = child_processes.start(
            self._argv,
            death_signal=signal.SIGINT,
            output=subprocess.DEVNULL,
            user=user,
            group=group,
            cwd=Path("/"),
        )
        self._restarted.append(child)
        self.pid = child.pid
        while True:
            try:
                self.connect().close()
            except psycopg.OperationalError:
                time.sleep(0.02)
            else:
                return

    def stop(self) -> None:
        """End the server that the last restart has started."""
        for child in self._restarted:
            child_processes.stop(child, first=signal.SIGINT)


def _zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


class Broker:
    """A running Valkey. ``url`` is its own address; the stack reaches it through a proxy."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._restarted: list[subprocess.Popen[bytes]] = []
        self.client = redis.Redis.from_url(url, socket_timeout=1, retry=None)
        known = self.client.info("server")
        self.pid = int(known["process_id"])
        # It has written over its own command line; the kernel and the server know better.
        self._argv = [os.readlink(f"/proc/{self.pid}/exe"), str(known["config_file"])]

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        parts = urlsplit(self.url)
        return str(parts.hostname), int(parts.port or 6379)

    def through(self, port: int) -> str:
        """The URL by way of a proxy on ``port``."""
        host, own = self.address
        return self.url.replace(f"@{host}:{own}/", f"@127.0.0.1:{port}/")

    def kill(self) -> None:
        """End it; everything in it is lost."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        for child in self._restarted:
            if child.pid == self.pid:
                child.wait()

    def start(self) -> None:
        """Start it again, empty, at the same address."""
        child = child_processes.start(self._argv, death_signal=signal.SIGKILL, output=subprocess.DEVNULL)
        self._restarted.append(child)
        self.pid = child.pid
        while True:
            try:
                self.client.ping()
            except redis.RedisError:
                time.sleep(0.02)
            else:
                return

    def full(self, yes: bool) -> None:
        """Refuse writes as if memory were full, or take them again."""
        self.client.config_set("maxmemory-policy", "noeviction")
        self.client.config_set("maxmemory", 1 if yes else 0)

    def demote(self, yes: bool) -> None:
        """Be a replica of nobody, as in a failover: writes are refused, and who waits is turned away."""
        primary = ("127.0.0.1", "1") if yes else ("NO", "ONE")
        self.client.execute_command("REPLICAOF", *primary)

    def double(self) -> int:
        """Put every waiting message into its queue a second time."""
        doubled = 0
        for queue in Queue:
            waiting = self.client.lrange(queue.value, 0, -1)
            if waiting:
                self.client.lpush(queue.value, *waiting)
                doubled += len(waiting)
        return doubled

    def take(self) -> dict[str, list[bytes]]:
        """Take every waiting message out of its queue."""
        taken: dict[str, Any] = {queue.value: self.client.lpop(queue.value, 10_000) for queue in Queue}
        return {name: messages or [] for name, messages in taken.items()}

    def put(self, messages: dict[str, list[bytes]], chance: random.Random | None = None) -> None:
        """Put messages back; in another order where ``chance`` is given."""
        for queue, waiting in messages.items():
            if chance:
                chance.shuffle(waiting)
            if waiting:
                self.client.rpush(queue, *waiting)

    def stop(self) -> None:
        """End what the restarts have started."""
        self.client.close()
        for child in self._restarted:
            child_processes.stop(child, first=signal.SIGKILL)


@contextlib.contextmanager
def servers() -> Iterator[tuple[Postgres, Broker]]:
    """Both, until the block ends."""
    with (
        embedded.run_postgres(settings=("shared_buffers=128MB",)) as database,
        embedded.run_valkey() as broker,
    ):
        first, second = Postgres(database), Broker(broker)
        try:
            yield first, second
        finally:
            second.stop()
            first.stop()
