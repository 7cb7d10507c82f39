"""A PostgreSQL that one test has for itself, with the product's tables: to follow, to stop, to kill."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psycopg
from django.db import connection

from orchestrator.dev.postgres_programs import PostgresPrograms, open_programs
from tests.databases import url_of_test_database

NAME = "blocks"
_SETTINGS = (
    "listen_addresses=",
    "fsync=off",
    "shared_buffers=32MB",
    "max_connections=100",
    # A replica that was away for a while still finds its log.
    "wal_keep_size=256MB",
)


@dataclass(frozen=True)
class OwnPostgres:
    """A cluster that ``pg_ctl`` starts and stops; its address stays the same."""

    programs: PostgresPrograms
    data: Path

    @property
    def url(self) -> str:
        return f"postgresql://postgres@/{NAME}?host={quote(str(self.sockets), safe='')}"

    @property
    def sockets(self) -> Path:
        return self.data.with_name(f"{self.data.name}.s")

    @property
    def log(self) -> Path:
        return self.data.with_name(f"{self.data.name}.log")

    def start(self) -> None:
        """Start it and wait until it answers."""
        words = " ".join(f"-c {one}" for one in (*_SETTINGS, f"unix_socket_directories={self.sockets}"))
        self.control("-w", "-o", words, "start")

    def stop(self, how: str = "fast") -> None:
        """``fast`` ends its sessions; ``immediate`` ends it as a crash does."""
        self.control("-m", how, "-w", "stop")

    def control(self, *words: str) -> None:
        """Run ``pg_ctl`` on it."""
        self.programs.run("pg_ctl", "-D", self.data, *words, log=self.log)

    def run(self, statement: str) -> list[tuple]:
        """The rows of one statement, on a connection of its own that commits."""
        with psycopg.connect(self.url, autocommit=True) as asked:
            cursor = asked.execute(statement)
            return cursor.fetchall() if cursor.description else []


@contextmanager
def run_own_postgres() -> Iterator[OwnPostgres]:
    """A cluster with the tables and the rows that the test's database has."""
    with open_programs() as (programs, folder):
        server = OwnPostgres(programs, folder / "primary")
        make_socket_folder(server)
        words = ("-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
        programs.run("initdb", "-D", server.data, *words, log=server.log)
        server.start()
        try:
            with psycopg.connect(server.url.replace(f"/{NAME}?", "/postgres?"), autocommit=True) as made:
                made.execute(f"CREATE DATABASE {NAME}")
            _copy_test_database(server, folder)
            yield server
        finally:
            server.stop("immediate")


@contextmanager
def run_replica(primary: OwnPostgres, name: str) -> Iterator[OwnPostgres]:
    """A streaming replica of ``primary``, made as an operator makes one."""
    replica = OwnPostgres(primary.programs, primary.data.with_name(name))
    make_socket_folder(replica)
    words = ("-R", "-X", "stream", "-c", "fast", "--no-sync")
    primary.programs.run("pg_basebackup", *words, "-d", primary.url, "-D", replica.data, log=replica.log)
    replica.start()
    try:
        yield replica
    finally:
        if (replica.data / "postmaster.pid").exists():
            replica.stop("immediate")


def make_socket_folder(server: OwnPostgres) -> None:
    """The folder of its socket, which its account must own."""
    server.sockets.mkdir(mode=0o700)
    if server.programs.account is not None:
        server.programs.account.own(server.sockets)


def _copy_test_database(server: OwnPostgres, folder: Path) -> None:
    connection.close()
    dump = folder / "dump.sql"
    # Files of the account, in its own folder: pg_dump runs as it.
    server.programs.run(
        "pg_dump", "-d", url_of_test_database(), "-f", dump, "--no-owner", "--no-privileges", log=server.log
    )
    server.programs.run("psql", "-q", "-v", "ON_ERROR_STOP=1", "-d", server.url, "-f", dump, log=server.log)


def describe_log(server: OwnPostgres) -> str:
    """The end of its log, for the message of a test that failed."""
    return subprocess.run(
        ["tail", "-n", "20", str(server.log)], capture_output=True, text=True, check=True
    ).stdout
