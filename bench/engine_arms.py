"""The systems that the engine's benchmark compares, as processes: started once, frozen while another one's turn is.

Each has workers in two processes, the same PostgreSQL server (a database of its own) and the same Valkey, both reached over
the same loopback, and a driver in a process of its own (``bench/peers/window.py``).
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Self

import psycopg

from orchestrator import child_processes
from orchestrator.dev import embedded

BENCH = Path(__file__).resolve().parent
THREADS = "8"
FOUR = "google,anthropic,openai,control"


@dataclass
class Servers:
    """What all share: URLs of the servers, and a folder for logs."""

    postgres: str
    valkey: str
    logs: Path

    def database(self, name: str, scheme: str = "postgresql") -> str:
        """The URL of a database of that name, created where it is missing."""
        with psycopg.connect(self.postgres, autocommit=True) as connection:
            if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone() is None:
                connection.execute(f'CREATE DATABASE "{name}"')  # type: ignore[arg-type]  # a name of ours
        return self.postgres.replace("postgres://", f"{scheme}://").replace("/postgres?", f"/{name}?")


@dataclass
class Arm:
    """One system's processes. ``run`` gives flows a second, from the first start to the last end over all its drivers."""

    name: str
    servers: Servers
    environment: dict[str, str]
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    drivers: list[subprocess.Popen[bytes]] = field(default_factory=list)
    awake: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self, name: str, *argv: str) -> None:
        """A process that serves."""
        with self.log(name).open("ab") as log:
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
        with self.log("driver").open("ab") as log:
            driver = subprocess.Popen(
                argv,
                env=self.environment,
                cwd=BENCH.parent,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
            )
        self.drivers.append(driver)
        self.answer(driver)

    def run(self, flows: int) -> dict[str, Any]:
        """Run so many flows, shared out to the drivers; the last driver's answer with ``flows_per_s`` added."""
        for driver in self.drivers:
            _pipe(driver.stdin).write(b"%d\n" % (flows // len(self.drivers)))
            _pipe(driver.stdin).flush()
        answers = [self.answer(driver) for driver in self.drivers]
        seconds = max(a["ended"] for a in answers) - min(a["started"] for a in answers)
        return {**answers[-1], "flows_per_s": flows // len(self.drivers) * len(self.drivers) / seconds}

    def answer(self, driver: subprocess.Popen[bytes]) -> dict[str, Any]:
        """The next line of a driver."""
        line = _pipe(driver.stdout).readline()
        if not line:
            raise RuntimeError(
                f"a driver of {self.name} ended; its log:\n{self.log('driver').read_text()[-3000:]}"
            )
        return dict(json.loads(line))

    def wait(self, log: str, text: str, seconds: float = 60) -> None:
        """Until a log says so."""
        end = time.monotonic() + seconds
        while text not in self.log(log).read_text(errors="replace"):
            if time.monotonic() > end:
                raise RuntimeError(
                    f"{self.name} {log} did not say {text!r}:\n{self.log(log).read_text()[-3000:]}"
                )
            time.sleep(0.1)

    def log(self, name: str) -> Path:
        """Where a process of this arm writes to."""
        return self.servers.logs / f"{self.name}-{name}.log"

    def freeze(self) -> None:
        """Stop using the machine."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Go on."""
        self._signal(signal.SIGCONT)

    def close(self) -> None:
        """End every process."""
        self.thaw()
        for process in self.processes + self.drivers:
            child_processes.stop(process, grace_seconds=3) if process in self.processes else process.kill()

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


def environment(servers: Servers, database: str, **more: str) -> dict[str, str]:
    """What every process is started with."""
    own = {
        "DATABASE_URL": database,
        "REDIS_URL": servers.valkey,
        "PYTHONPATH": str(BENCH.parent),
        "SECRET_KEY": "bench",
    }
    return {**os.environ, **own, "THREADS": THREADS, **more}


def worker(arm: Arm, name: str, app: str, queues: str, threads: str = THREADS) -> None:
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
    # Idle, it costs nothing; frozen past its socket's timeout, it would lose the first messages of its next turn.
    arm.awake.append(arm.processes[-1])


def bare(servers: Servers) -> Arm:
    """Celery and the broker, nothing else."""
    arm = Arm("bare", servers, environment(servers, servers.postgres))
    for name in ("one", "two"):
        worker(arm, name, "bench.peers.celery_chain", "bare_a,bare_b,bare_c,bare_d")
    for name in ("one", "two"):
        arm.wait(name, " ready.")
    arm.drive(sys.executable, "-m", "bench.peers.celery_chain")
    return arm


def ours(servers: Servers, database: str = "ours", threads: str = THREADS, **more: str) -> Arm:
    """The orchestrator: two workers for all queues of the flow type, and the dispatcher."""
    slots = {f"{name.upper()}_SLOTS": "128" for name in FOUR.split(",")}
    url = servers.database(database)
    own = {"ENGINE_PLUGINS": "bench.engine_plugin", "FLOW_TYPE": "noop", "FLIGHT": "64", **slots, **more}
    arm = Arm(database, servers, environment(servers, url, **own))
    subprocess.run(
        [sys.executable, "manage.py", "migrate", "-v", "0"], check=True, env=arm.environment, cwd=BENCH.parent
    )
    for name in ("one", "two"):
        worker(arm, name, "orchestrator", FOUR, threads)
    arm.start("dispatcher", sys.executable, "manage.py", "dispatcher")
    for name in ("one", "two"):
        arm.wait(name, " ready.")
    arm.drive(sys.executable, "-m", "bench.engine_driver")
    return arm


def dbos_direct(servers: Servers) -> Arm:
    """DBOS, its workflows called in the two processes that run them."""
    arm = Arm("dbos_direct", servers, environment(servers, servers.database("dbos_direct")))
    for name in ("one", "two"):
        arm.drive(str(peer("dbos")), "-m", "bench.peers.dbos_flows", "direct", name)
    return arm


def dbos_queue(servers: Servers) -> Arm:
    """DBOS, its workflows enqueued by a client and taken by two processes."""
    arm = Arm("dbos_queue", servers, environment(servers, servers.database("dbos_queue")))
    command = [str(peer("dbos")), "-m", "bench.peers.dbos_flows"]
    for name in ("one", "two"):
        arm.drive(*command, "worker", name)
        arm.processes.append(arm.drivers.pop())
    arm.drive(*command, "client")
    return arm


def prefect(servers: Servers) -> Arm:
    """Prefect 3 with a server of its own on the same PostgreSQL, flows called in two processes."""
    home, port = servers.logs / "prefect", embedded.find_free_port()
    own = {
        "PREFECT_HOME": str(home),
        "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
        "PREFECT_API_DATABASE_CONNECTION_URL": servers.database("prefect", "postgresql+asyncpg"),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_LOGGING_LEVEL": "ERROR",
        "PREFECT_LOGGING_TO_API_ENABLED": "false",
    }
    arm = Arm("prefect", servers, environment(servers, "postgres://nobody@localhost/none", **own))
    python = peer("prefect")
    arm.start(
        "server", str(python), "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)
    )
    _wait_for(f"http://127.0.0.1:{port}/api/health", arm)
    for _ in range(2):
        arm.drive(str(python), "-m", "bench.peers.prefect_flows")
    return arm


def _wait_for(url: str, arm: Arm) -> None:
    end = time.monotonic() + 120
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5):  # noqa: S310 - our own loopback address
                return
        except OSError:
            if time.monotonic() > end:
                raise RuntimeError(
                    f"{arm.name} did not start:\n{arm.log('server').read_text()[-3000:]}"
                ) from None
            time.sleep(0.3)


def peer(name: str) -> Path:
    """The interpreter of a peer's environment, built where it is missing or its pins have changed."""
    pins, folder = BENCH / "peers" / f"{name}.txt", BENCH / ".venvs" / name
    python, mark = folder / "bin" / "python", folder / "built-from.txt"
    if mark.exists() and mark.read_bytes() == pins.read_bytes():
        return python
    shutil.rmtree(folder, ignore_errors=True)
    uv = shutil.which("uv") or str(Path(sys.executable).parent / "uv")
    make: Sequence[Sequence[str]]
    if Path(uv).exists():
        install = [uv, "pip", "install", "--quiet", "--python", str(python)]
        make = [[uv, "venv", "--quiet", "--python", sys.executable, str(folder)], [*install, "-r", str(pins)]]
    else:
        make = [
            [sys.executable, "-m", "venv", str(folder)],
            [str(python), "-m", "pip", "install", "--quiet", "-r", str(pins)],
        ]
    for command in make:
        subprocess.run(command, check=True)
    mark.write_bytes(pins.read_bytes())
    return python


def pinned(name: str) -> str:
    """The version of a peer that its pins name."""
    lines = (BENCH / "peers" / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    return next(line.split("==")[1] for line in lines if line.startswith(f"{name}=="))
