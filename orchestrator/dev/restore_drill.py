"""``make restore-drill``: back up, restore to an instant on a new server, compare, while flows are written.

1. The log of the server is received from here on, into a folder that stands for the archive.
2. A base backup is taken, while flows run.
3. An instant is marked (``manage.py mark_restore_point``). Flows continue; what they write stays out.
4. A new server starts from the base backup and the archive, up to the instant.
5. It is compared with the mark (``manage.py check_restore``).

With ``DATABASE_URL`` it tries that server, which must let its role replicate, and ``PG_PROGRAMS``
names the folder with the programs of its version. Without, a whole stack runs beside it and takes samples to
blocks.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psycopg
from rich.console import Console

from orchestrator import child_processes
from orchestrator.core.errors import FixedBy, OrchestratorError
from orchestrator.dev import demo, embedded, forking, sample_repo, stack
from orchestrator.dev.postgres_programs import (
    PostgresPrograms,
    make_folder,
    open_programs,
    wait_until,
    write_for,
)
from orchestrator.dev.steps import Steps

ARCHIVE_SECONDS = 60
"""How long the archive may take to have the log up to the mark."""
RESTORE_SECONDS = 3600
"""How long the new server may take to read the archive."""
_SAMPLES = ("compliance-service", "auth-service", "api-gateway", "data-pipelines")


class RestoreDrillError(OrchestratorError):
    """A step of the drill failed; the message has the program's own words."""

    code = "dev:restore-drill"
    cure = "Fix what the message says, then run the drill again."
    fixed_by = FixedBy.OPERATOR


@dataclass(frozen=True, slots=True)
class DrillReport:
    """What a drill has shown; times are seconds."""

    backup_seconds: float
    restore_seconds: float
    compare_seconds: float
    rows: int
    tables: int
    rows_left_out: int
    """Events of flows that were written after the instant, before the new server started."""
    at: str


@dataclass(frozen=True, slots=True)
class RestoredServer:
    """A server that has read the archive up to the instant; it listens on a socket in a private folder."""

    url: str
    seconds: float


@contextlib.contextmanager
def receive_log(programs: PostgresPrograms, url: str, folder: Path) -> Iterator[Path]:
    """Receive the server's log into ``folder``, which is the archive of the drill, until the end."""
    archive, log = folder / "archive", folder / "pg_receivewal.log"
    make_folder(archive, programs.account)
    child = programs.start("pg_receivewal", "-d", url, "-D", archive, "--no-loop", log=log)
    try:
        # The base backup must not begin before the archive does.
        wait_until(lambda: any(archive.iterdir()), child, log, 30)
        yield archive
    finally:
        child_processes.stop(child)


def take_base_backup(programs: PostgresPrograms, url: str, folder: Path) -> Path:
    """A copy of the server's files as they are read, without the log that makes them whole."""
    base = folder / "base"
    programs.run(
        "pg_basebackup",
        *("-d", url, "-D", base, "--wal-method=none", "--checkpoint=fast", "--no-sync"),
        log=folder / "pg_basebackup.log",
    )
    return base


@contextlib.contextmanager
def restore(
    programs: PostgresPrograms, base: Path, archive: Path, at: str, name: str
) -> Iterator[RestoredServer]:
    """Run a server on ``base``, up to the instant ``at``; ``name`` is a database of it."""
    folder = base.parent
    sockets, log = folder / "s", folder / "restored.log"
    make_folder(sockets, programs.account)
    access = write_for(programs.account, folder / "pg_hba.conf", "local all all trust\n")
    write_for(programs.account, base / "recovery.signal", "")
    # What the server of the backup has set holds for that one: its archive, its libraries, its addresses.
    # The new one must above all not write into the archive that it reads.
    settings = {
        "listen_addresses": "",
        "unix_socket_directories": str(sockets),
        "hba_file": str(access),
        "ssl": "off",
        "archive_mode": "off",
        "shared_preload_libraries": "",
        "primary_conninfo": "",
        # Nobody asks it before it is done. A hot standby also wants as many connections as the primary has.
        "hot_standby": "off",
        "restore_command": f'cp "{archive}/%f" "%p"',
        "recovery_target_time": at,
        "recovery_target_action": "promote",
    }
    written = "".join(f"{key} = '{value}'\n" for key, value in settings.items())
    config = write_for(programs.account, folder / "restored.conf", written)
    begun = time.monotonic()
    child = programs.start("postgres", "-D", base, "-c", f"config_file={config}", log=log)
    url = f"postgresql://postgres@/{quote(name)}?host={quote(str(sockets), safe='')}"
    try:
        wait_until(lambda: _has_recovered(url), child, log, RESTORE_SECONDS)
        yield RestoredServer(url, time.monotonic() - begun)
    finally:
        child_processes.stop(child, first=signal.SIGINT)


def run_drill(
    programs: PostgresPrograms,
    values: Mapping[str, str],
    folder: Path,
    steps: Steps,
    *,
    seconds: float = 3.0,
) -> DrillReport:
    """The drill of the server at ``values["DATABASE_URL"]``; raises ``RestoreDrillError``.

    ``seconds`` is how long flows are written between the backup and the instant, and again after it.
    """
    url = values["DATABASE_URL"]
    _require_version(programs, url)
    steps.begin("Receiving the log, and taking a base backup")
    with receive_log(programs, url, folder) as archive:
        begun = time.monotonic()
        base = take_base_backup(programs, url, folder)
        backup_seconds = time.monotonic() - begun
        time.sleep(seconds)
        steps.begin("Marking the instant")
        mark = folder.parent / f"{folder.name}-mark.json"
        try:
            _manage(values, "mark_restore_point", str(mark))
            marked = json.loads(mark.read_text(encoding="utf-8"))
            time.sleep(seconds)
            steps.begin("Waiting for the archive")
            _wait_for_archive(url, archive, marked["position"])
            left_out = _count_events(url) - marked["tables"]["public.flows_flowevent"]["rows"]
            steps.begin("Starting a new server from both, up to the instant")
            database = psycopg.conninfo.conninfo_to_dict(url).get("dbname") or "postgres"
            with restore(programs, base, archive, marked["at"], str(database)) as restored:
                steps.begin("Comparing every table")
                begun = time.monotonic()
                _manage(dict(values) | {"DATABASE_URL": restored.url}, "check_restore", str(mark))
        finally:
            mark.unlink(missing_ok=True)
    rows = [one["rows"] for one in marked["tables"].values()]
    return DrillReport(
        backup_seconds=round(backup_seconds, 2),
        restore_seconds=round(restored.seconds, 2),
        compare_seconds=round(time.monotonic() - begun, 2),
        rows=sum(rows),
        tables=len(rows),
        rows_left_out=left_out,
        at=marked["at"],
    )


def _require_version(programs: PostgresPrograms, url: str) -> None:
    with psycopg.connect(url) as connection:
        there = connection.info.server_version // 10_000
    if programs.read_major() != there:
        raise RestoreDrillError(
            f"The server is PostgreSQL {there}, the programs in {programs.folder} are not.",
            cure="Name the folder of pg_basebackup and postgres of the server's version in PG_PROGRAMS.",
        )


def _wait_for_archive(url: str, archive: Path, position: str) -> None:
    """Until the segment that has ``position`` is whole: a segment that is still received has another name."""
    with psycopg.connect(url) as connection:
        found = connection.execute("SELECT pg_walfile_name(%s::pg_lsn)", (position,)).fetchone()
    assert found is not None  # noqa: S101 - a function answers with a row
    # The commit after the instant may be the first of the next segment.
    end = time.monotonic() + ARCHIVE_SECONDS
    while not any(path.name == found[0] for path in archive.iterdir()):
        if time.monotonic() > end:
            raise RestoreDrillError(
                f"The archive has no {found[0]} after {ARCHIVE_SECONDS} s.",
                cure="Let the role run pg_switch_wal(), or wait until the server has ended the segment.",
            )
        time.sleep(0.05)


def _count_events(url: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT count(*) FROM flows_flowevent").fetchone()
    assert row is not None  # noqa: S101 - count always has a row
    return int(row[0])


def _has_recovered(url: str) -> bool:
    try:
        with psycopg.connect(url, connect_timeout=2) as connection:
            return connection.execute("SELECT pg_is_in_recovery()").fetchone() == (False,)
    except psycopg.OperationalError:
        return False


def _manage(values: Mapping[str, str], *words: str) -> None:
    """Run a command of manage.py and show what it prints; raises ``RestoreDrillError``."""
    done = subprocess.run(
        [sys.executable, str(stack.ROOT / "manage.py"), *words],
        env={**values, "PROCESS": ""},
        cwd=stack.ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    sys.stdout.write(done.stdout)
    if done.returncode != 0:
        raise RestoreDrillError(f"manage.py {words[0]} says: {done.stderr.strip()[-2000:]}")


@contextlib.contextmanager
def _run_flows(steps: Steps) -> Iterator[dict[str, str]]:
    """A whole stack that takes samples to blocks; its environment."""
    state = Path(os.environ.get("STATE_DIR", stack.ROOT / ".state"))
    with (
        stack.run_processes(
            demo.PROCESSES,
            state=None,
            logs=state / "restore-drill-logs",
            simulator=True,
            environment={"PORT": str(embedded.find_free_port())},
            say=steps.begin,
        ) as running,
        tempfile.TemporaryDirectory(prefix="blocks-drill-") as place,
        contextlib.ExitStack() as flows,
    ):
        steps.begin("Taking one sample to a block; more follow")
        for number, sample in enumerate(_SAMPLES):
            folder = sample_repo.check_out_sample(sample, Path(place, str(number)))
            child = demo.start_flow(sample, running, folder, output=subprocess.DEVNULL)
            flows.callback(child_processes.stop, child)
            if number == 0 and child.wait() != 0:
                raise RestoreDrillError(f"The first flow failed; the logs are in {running.logs}.")
        yield running.values


def main() -> int:
    """Run the drill; returns 0 where the restored server has exactly the rows of the instant."""
    console = Console()
    try:
        with Steps(console) as steps, contextlib.ExitStack() as flows, open_programs() as (programs, folder):
            values = dict(os.environ)
            if not values.get("DATABASE_URL"):
                values = flows.enter_context(_run_flows(steps))
            report = run_drill(programs, values, folder, steps)
            steps.finish()
    except KeyboardInterrupt:
        return 2
    except (OrchestratorError, forking.ZygoteError, psycopg.OperationalError) as error:
        cure = getattr(error, "cure", "Look whether the server answers, and lets the role replicate.")
        console.print(f"{error}\n{cure}", style="red", markup=False, highlight=False, soft_wrap=True)
        return 1
    console.print(
        f"Base backup {report.backup_seconds} s, restored in {report.restore_seconds} s, compared in "
        f"{report.compare_seconds} s.\n{report.rows} rows of {report.tables} tables are as they were at "
        f"{report.at}; {report.rows_left_out} events written after it are not there.\nRESTORE PASSED",
        highlight=False,
        soft_wrap=True,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
