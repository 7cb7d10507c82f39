"""A durable PostgreSQL for one benchmark. It listens on a Unix socket, and the benchmark may restart it."""

import contextlib
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psycopg

from orchestrator.dev import embedded


@dataclass(frozen=True, slots=True)
class Server:
    """A running server; ``url`` stays the same over restarts."""

    folder: Path
    programs: Path
    account: embedded.Account | None

    @property
    def url(self) -> str:
        return f"postgres://postgres@/postgres?host={quote(str(self.folder), safe='')}"

    @property
    def log(self) -> Path:
        return self.folder / "log"

    def start(self) -> None:
        """Start it as durable as in production: nothing about fsync or commits is relaxed."""
        options = " ".join(
            (
                "-c listen_addresses=",
                f"-c unix_socket_directories={self.folder}",
                "-c max_connections=200",
                "-c shared_buffers=128MB",
            )
        )
        self._control("-w", "-o", options, "start")

    def restart(self) -> None:
        """Stop at once, as a crash does, and recover."""
        self._control("-m", "immediate", "stop")
        time.sleep(0.5)
        self.start()

    def stop(self) -> None:
        """End its sessions and stop."""
        self._control("-m", "fast", "stop")

    def _control(self, *arguments: str) -> None:
        """Run pg_ctl as the account that owns the data."""
        command = [str(self.programs / "pg_ctl"), "-D", str(self.folder / "data"), *arguments]
        account = self.account
        with self.log.open("ab") as log:
            subprocess.run(
                command,
                check=True,
                cwd="/",  # the current folder may be closed to the account
                user=None if account is None else account.uid,
                group=None if account is None else account.gid,
                stdout=log,
                stderr=log,
            )


@contextlib.contextmanager
def run_durable_postgres() -> Iterator[Server]:
    """Start a server; stop it and remove its data afterwards."""
    account = embedded.find_postgres_account()
    with embedded.open_runtime_folder(account) as folder:
        programs = embedded.find_postgres_programs(folder, account)
        embedded.create_cluster(programs, folder / "data", account)
        server = Server(folder, programs, account)
        server.start()
        try:
            yield server
        finally:
            server.stop()


def read_server_version(url: str) -> str:
    """The version of the server at ``url``, as a number such as 180003."""
    with psycopg.connect(url) as connection:
        return str(connection.info.server_version)
