"""The systems that the engine's benchmark compares, as processes: started once, frozen while another one's
turn is.

Each has workers in two processes, the same PostgreSQL server (a database of its own) and the same Valkey,
both reached over the same loopback, and a driver in a process of its own (``bench/peers/window.py``).
"""

import json
import math
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Self

import psycopg

from bench.peer_environments import PeerFailure, require_python
from bench.scale import SMALL, choose_size
from orchestrator import child_processes
from orchestrator.dev import embedded

BENCH = Path(__file__).resolve().parent
THREADS = "8"
# Two processes of workers each; one in the small form, where it only has to work.
WORKERS = choose_size(full=("one", "two"), small=("one",))
# How long a process may take to end by itself. What it leaves behind is removed with the servers.
GRACE_SECONDS = choose_size(full=3.0, small=0.2)
# The database that is migrated once; each arm gets a copy of it.
MIGRATED = "migrated"
DBOS_STEPS = "SELECT count(*) FROM dbos.operation_outputs WHERE error IS NULL"
FOUR = "google,anthropic,openai,control"


@dataclass
class Servers:
    """What all share: URLs of the servers, and a folder for logs."""

    postgres: str
    valkey: str
    logs: Path
    shared: "dict[str, list[subprocess.Popen[bytes]]]" = field(default_factory=dict)
    """Processes that serve several parts of the small form, by what they do; workers come first."""
    models: dict[str, str] = field(default_factory=dict)
    """Settings of the orchestrator that lead to simulated models."""

    def require_database(self, name: str, scheme: str = "postgresql") -> str:
        """The URL of a database of that name, created where it is missing."""
        self._create_missing(name)
        return self.postgres.replace("postgres://", f"{scheme}://").replace("/postgres?", f"/{name}?")

    def require_migrated_database(self, name: str) -> str:
        """The URL of a database of that name with the current tables, created where it is missing."""
        if self._create_missing(MIGRATED):
            migrate = [sys.executable, "manage.py", "migrate", "--skip-checks", "-v", "0"]
            environment = compose_environment(self, self.require_database(MIGRATED))
            subprocess.run(migrate, check=True, env=environment, cwd=BENCH.parent)
        self._create_missing(name, MIGRATED)
        return self.require_database(name)

    def close(self) -> None:
        """End the processes that parts have shared."""
        for processes in self.shared.values():
            for process in processes:
                child_processes.stop(process, grace_seconds=GRACE_SECONDS)

    def _create_missing(self, name: str, template: str = "template1") -> bool:
        """Create the database as a copy of ``template`` where it is missing; whether it was missing."""
        with psycopg.connect(self.postgres, autocommit=True) as connection:
            query = "SELECT 1 FROM pg_database WHERE datname = %s"
            if connection.execute(query, [name]).fetchone() is not None:
                return False
            connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
            return True


@dataclass
class Arm:
    """One system's processes.

    ``run`` gives flows a second, from the first start to the last end over all its drivers.
    """

    name: str
    servers: Servers
    environment: dict[str, str]
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    drivers: list[subprocess.Popen[bytes]] = field(default_factory=list)
    awake: list[subprocess.Popen[bytes]] = field(default_factory=list)
    flows: int = 0
    """How many it has run."""
    steps: tuple[str, str] | None = None
    """The URL of its database and a query that counts passed steps; None where it stores none."""
    least_stored_share: float = 1.0
    """The share of its steps that the system must have stored."""

    def start(self, name: str, *argv: str) -> None:
        """A process that serves."""
        with self.log_path(name).open("ab") as log:
            self.processes.append(
                child_processes.start(
                    argv,
                    death_signal=signal.SIGKILL,
                    environment=self.environment,
                    output=log,
                    cwd=BENCH.parent,
                )
            )

    def drive(self, *argv: str) -> None:
        """A process that takes a number of flows and reports; waits until it is ready."""
        with self.log_path("driver").open("ab") as log:
            driver = subprocess.Popen(
                argv,
                env=self.environment,
                cwd=BENCH.parent,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
            )
        self.drivers.append(driver)
        self.read_answer(driver)

    def run(self, flows: int) -> dict[str, Any]:
        """Run so many flows, divided among the drivers; the last driver's answer with ``flows_per_s`` added.

        Raises ``PeerFailure`` where fewer flows have passed than were asked for.
        """
        each = flows // len(self.drivers)
        for driver in self.drivers:
            _pipe(driver.stdin).write(b"%d\n" % each)
            _pipe(driver.stdin).flush()
        answers = [self.read_answer(driver) for driver in self.drivers]
        for answer in answers:
            if answer["flows"] != each:
                raise PeerFailure(f"{self.name} ran {answer['flows']} flows instead of {each}")
        self.flows += each * len(self.drivers)
        began = min(answer["started"] for answer in answers)
        ended = max(answer["ended"] for answer in answers)
        return {**answers[-1], "flows_per_s": each * len(self.drivers) / (ended - began)}

    def check_stored_steps(self) -> None:
        """Raise ``PeerFailure`` unless the system has stored the passed steps, four for each flow that it
        ran.
        """
        if self.steps is None:
            return
        # A system that is frozen stores nothing more.
        self.thaw()
        url, count = self.steps
        expected, found = math.ceil(4 * self.flows * self.least_stored_share), -1
        end = time.monotonic() + 30
        # Some systems store the end of a step a little after the flow's.
        while found < expected and time.monotonic() < end:
            with psycopg.connect(url) as connection:
                row = connection.execute(count).fetchone()
            found = int(row[0]) if row else 0
            time.sleep(0.2)
        if found < expected:
            raise PeerFailure(
                f"{self.name} stored {found} passed steps for {self.flows} flows, not {expected}"
            )

    def read_answer(self, driver: subprocess.Popen[bytes]) -> dict[str, Any]:
        """The next line of a driver."""
        line = _pipe(driver.stdout).readline()
        if not line:
            raise RuntimeError(
                f"a driver of {self.name} ended; its log:\n{self.log_path('driver').read_text()[-3000:]}"
            )
        return dict(json.loads(line))

    def wait_for_line(self, log: str, text: str, seconds: float = 240) -> None:
        """Wait until a log has ``text`` in it."""
        end = time.monotonic() + seconds
        while text not in self.log_path(log).read_text(errors="replace"):
            if time.monotonic() > end:
                raise RuntimeError(
                    f"{self.name} {log} did not say {text!r}:\n{self.log_path(log).read_text()[-3000:]}"
                )
            time.sleep(0.1)

    def log_path(self, name: str) -> Path:
        """The file that a process of this arm writes to."""
        return self.servers.logs / f"{self.name}-{name}.log"

    def freeze(self) -> None:
        """Stop using the machine."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it continue."""
        self._signal(signal.SIGCONT)

    def close(self) -> None:
        """End every process that is not shared."""
        self.thaw()
        self.processes, self.drivers = self._own(self.processes), self._own(self.drivers)
        for driver in self.drivers:
            driver.kill()
            driver.wait()
        for process in self.processes:
            child_processes.stop(process, grace_seconds=GRACE_SECONDS)

    def _own(self, processes: list[subprocess.Popen[bytes]]) -> list[subprocess.Popen[bytes]]:
        """The ``processes`` that no other arm uses."""
        shared = {process.pid for group in self.servers.shared.values() for process in group}
        return [process for process in processes if process.pid not in shared]

    def _signal(self, number: signal.Signals) -> None:
        for process in self.processes + self.drivers:
            if process.poll() is None and process not in self.awake:
                process.send_signal(number)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    if pipe is None:
        raise RuntimeError("not a pipe")
    return pipe


def compose_environment(servers: Servers, database: str, **more: str) -> dict[str, str]:
    """What every process is started with."""
    own = {
        "DATABASE_URL": database,
        "REDIS_URL": servers.valkey,
        "PYTHONPATH": str(BENCH.parent),
        "SECRET_KEY": "bench",
    }
    return {**os.environ, **own, "THREADS": THREADS, **more}


def start_worker(arm: Arm, name: str, app: str, queues: str, threads: str = THREADS) -> None:
    """A Celery worker on threads."""
    command = [
        sys.executable,
        "-m",
        "celery",
        "-A",
        app,
        "worker",
        "-l",
        "INFO",
        "-P",
        "threads",
        "-c",
        threads,
        "-Q",
        queues,
    ]
    arm.start(name, *command, "-n", f"{arm.name}-{name}@%h", "--without-gossip", "--without-mingle")
    # Idle, it costs nothing; frozen past its socket's timeout, it would lose the first messages of its next
    # turn.
    arm.awake.append(arm.processes[-1])


def start_bare_celery(servers: Servers) -> Arm:
    """Celery and the broker, nothing else."""
    arm = Arm("bare", servers, compose_environment(servers, servers.postgres))

    def start_workers() -> None:
        for name in WORKERS:
            start_worker(arm, name, "bench.peers.celery_chain", "bare_a,bare_b,bare_c,bare_d")

    _start_shared(arm, start_workers, "chain", [sys.executable, "-m", "bench.peers.celery_chain"])
    return arm


def _start_shared(arm: Arm, start_services: Callable[[], None], task: str, driver: list[str]) -> None:
    """Start what serves and the driver for a ``task``, and wait until they are ready.

    In the small form arms of one name use the same processes: to start them takes longer than all the flows.
    """
    shared = arm.servers.shared if SMALL else {}
    if arm.name in shared:
        arm.processes = list(shared[arm.name])
        arm.awake = arm.processes[: len(WORKERS)]
    else:
        start_services()
        shared[arm.name] = list(arm.processes)
    # The driver loads while the workers do.
    name_of_driver = f"driver of {arm.name}: {task}"
    if name_of_driver in shared:
        arm.drivers = list(shared[name_of_driver])
    else:
        arm.drive(*driver)
        shared[name_of_driver] = list(arm.drivers)
    for name in WORKERS:
        arm.wait_for_line(name, " ready.")


def start_orchestrator(servers: Servers, database: str = "ours", threads: str = THREADS, **more: str) -> Arm:
    """The orchestrator: two workers for all queues of the flow type, and the dispatcher.

    In the small form all arms share one database, the processes that serve it, and their settings.
    """
    database = choose_size(full=database, small="ours")
    slots = {f"{name.upper()}_SLOTS": "128" for name in FOUR.split(",")}
    url = servers.require_migrated_database(database)
    own = {"ENGINE_PLUGINS": "bench.engine_plugin", "FLOW_TYPE": "noop", "FLIGHT": "64"}
    own |= slots | servers.models | more
    arm = Arm(database, servers, compose_environment(servers, url, **own))
    arm.steps = (url, "SELECT count(*) FROM flows_stage WHERE status = 'passed'")

    def start_services() -> None:
        for name in WORKERS:
            start_worker(arm, name, "orchestrator", FOUR, threads)
        arm.start("dispatcher", sys.executable, "manage.py", "dispatcher")

    task = f"{own['FLOW_TYPE']}, {own['FLIGHT']} at once"
    _start_shared(arm, start_services, task, [sys.executable, "-m", "bench.engine_driver"])
    return arm


def start_dbos_direct(servers: Servers) -> Arm:
    """DBOS, its workflows called in the two processes that run them."""
    url = servers.require_database("dbos_direct")
    arm = Arm("dbos_direct", servers, compose_environment(servers, url), steps=(url, DBOS_STEPS))
    for name in WORKERS:
        arm.drive(str(require_python("dbos")), "-m", "bench.peers.dbos_flows", "direct", name)
    return arm


def start_celery_chord(servers: Servers) -> Arm:
    """A Celery chord with results in Redis."""
    arm = Arm("celery_chord", servers, compose_environment(servers, servers.postgres))

    def start_workers() -> None:
        for name in WORKERS:
            start_worker(arm, name, "bench.peers.celery_chord", "chord_a,chord_b,chord_c,chord_d")

    _start_shared(arm, start_workers, "chord", [sys.executable, "-m", "bench.peers.celery_chord"])
    return arm


def start_dbos_forked(servers: Servers) -> Arm:
    """DBOS, a workflow with three steps side by side called in the two processes that run it."""
    arm = Arm("dbos_forked", servers, compose_environment(servers, servers.require_database("dbos_forked")))
    for name in WORKERS:
        arm.drive(str(require_python("dbos")), "-m", "bench.peers.dbos_flows", "forked", name)
    return arm


def start_dbos_queue(servers: Servers) -> Arm:
    """DBOS, its workflows enqueued by a client and taken by two processes."""
    url = servers.require_database("dbos_queue")
    arm = Arm("dbos_queue", servers, compose_environment(servers, url), steps=(url, DBOS_STEPS))
    command = [str(require_python("dbos")), "-m", "bench.peers.dbos_flows"]
    for name in WORKERS:
        arm.drive(*command, "worker", name)
        arm.processes.append(arm.drivers.pop())
    arm.drive(*command, "client")
    return arm


def start_prefect(servers: Servers) -> Arm:
    """Prefect 3 with a server of its own on the same PostgreSQL, flows called in two processes."""
    home, port = servers.logs / "prefect", embedded.find_free_port()
    own = {
        "PREFECT_HOME": str(home),
        "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
        "PREFECT_API_DATABASE_CONNECTION_URL": servers.require_database("prefect", "postgresql+asyncpg"),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_LOGGING_LEVEL": "ERROR",
        "PREFECT_LOGGING_TO_API_ENABLED": "false",
    }
    arm = Arm("prefect", servers, compose_environment(servers, "postgres://nobody@localhost/none", **own))
    # Prefect's clients report the end of a step as an event, and its server drops some under load: 321 of 352
    # were seen.
    arm.least_stored_share = 0.8
    arm.steps = (
        servers.require_database("prefect"),
        "SELECT count(*) FROM task_run WHERE state_type = 'COMPLETED'",
    )
    python = require_python("prefect")
    arm.start(
        "server", str(python), "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)
    )
    _wait_until_healthy(f"http://127.0.0.1:{port}/api/health", arm)
    for _ in WORKERS:
        arm.drive(str(python), "-m", "bench.peers.prefect_flows")
    return arm


def _wait_until_healthy(url: str, arm: Arm) -> None:
    end = time.monotonic() + 120
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5):  # noqa: S310 - our own loopback address
                return
        except OSError:
            if time.monotonic() > end:
                raise RuntimeError(
                    f"{arm.name} did not start:\n{arm.log_path('server').read_text()[-3000:]}"
                ) from None
            time.sleep(0.3)
