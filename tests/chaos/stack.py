"""The processes of one run: what the Procfile names, two dispatchers, the simulator, each restarted when it
dies.
"""

import contextlib
import json
import os
import secrets
import shlex
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from string import Template
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict

from orchestrator.dev import embedded, stack
from tests import pgbouncer
from tests.chaos.proxy import Proxy
from tests.chaos.servers import Broker, Postgres
from tests.commands import run_management_command

LEASE_SECONDS = 3
WORKERS = ("anthropic", "openai", "google", "gates", "control")
# Two of them serve each other's queue, so that a flow may also run its next stage on the same worker.
SHARED = {"openai": "openai,google", "google": "google,openai"}
DISPATCHERS = ("dispatcher1", "dispatcher2")
POOLED = ("openai", "control", "dispatcher2", "web")
"""These reach the database through PgBouncer, where it is installed; the others directly."""
_ROOMY = {
    "DAILY_TOKEN_QUOTA": 10**12,
    "REQUESTS_PER_MINUTE": 10**8,
    "TOKENS_PER_MINUTE": 10**12,
    "MAX_CONCURRENCY": 2000,
}


def environment(database: str, broker: str, simulator: int, logs: Path) -> dict[str, str]:
    """What every process of the stack is given."""
    values = {
        "DATABASE_URL": database,
        "REDIS_URL": broker,
        "SECRET_KEY": secrets.token_urlsafe(32),
        "DJANGO_SETTINGS_MODULE": "orchestrator.settings",
        "ENGINE_PLUGINS": "tests.chaos.plugin",
        "ENGINE_LEASE_SECONDS": str(LEASE_SECONDS),
        # Faults are many here: a flow must not fail for having met several of them.
        "ENGINE_MAX_ATTEMPTS": "100",
        "ENGINE_MAX_CRASHES": "100",
        "ENGINE_BACKOFF_SECONDS": "0",
        "ENGINE_RESEND_SECONDS": "5",
        "ENGINE_SHUTDOWN_SECONDS": "3",
        "DAILY_BUDGET_USD": "1000000",
        "DB_POOL_SIZE": "8",
        "DB_MAX_OVERFLOW": "4",
        "REMAP_SIGTERM": "SIGQUIT",
        "PYTHONPATH": str(stack.ROOT),
        "PYTHONUNBUFFERED": "1",
        "CHAOS_FAILPOINTS": str(logs / "failpoints"),
    }
    for provider in stack.PROVIDERS:
        prefix = provider.upper()
        values |= {f"{prefix}_{name}": str(limit) for name, limit in _ROOMY.items()}
        values[f"{prefix}_API_KEY"], values[f"{prefix}_TIMEOUT_SECONDS"] = "simulated", "5"
        values[f"{prefix}_SLOTS"] = "32"
        values[f"{prefix}_BASE_URL"] = f"http://127.0.0.1:{simulator}" + (
            "/v1" if provider == "openai" else ""
        )
    return values


def read_target(url: str) -> dict[str, str]:
    """A server's URL as words of libpq."""
    return {word: str(value) for word, value in conninfo_to_dict(url).items()}


@dataclass
class Running:
    """A process that should live, and the pid it has at present."""

    name: str
    argv: list[str]
    pid: int = 0
    extra: dict[str, str] = field(default_factory=dict)
    down: bool = False


class Stack:
    """Everything of one run. Processes that die are started again, as a cluster would."""

    def __init__(self, database: Postgres, name: str, broker: Broker, logs: Path, **extra: str) -> None:
        self.postgres, self.database, self.broker, self.logs = database, name, broker, logs
        (logs / "failpoints" / "fired").mkdir(parents=True)
        self.port, self.simulator_port = embedded.find_free_port(), embedded.find_free_port()
        self.proxy = Proxy(broker.address).start()
        self._servers = contextlib.ExitStack()
        self._pooled: dict[str, str] = {}
        if pgbouncer.PROGRAM is not None:
            address = database.database(name)
            target = read_target(address)
            with psycopg.connect(address) as own, own.cursor() as cursor:
                pgbouncer.set_plan_mode(cursor, "force_generic_plan")
            port = self._servers.enter_context(pgbouncer.run_pgbouncer(target, pgbouncer.SESSION_OPTIONS))
            self._pooled = {"DATABASE_URL": f"postgres://postgres@127.0.0.1:{port}/{pgbouncer.NAME}"}
        url = broker.through(self.proxy.port)
        self.values = (
            os.environ | environment(database.database(name), url, self.simulator_port, logs) | extra
        )
        self.values |= {"HOST": "127.0.0.1", "PORT": str(self.port)}
        self.running: dict[str, Running] = {}
        self.restarts: dict[str, int] = {}
        self.killed: list[tuple[int, float]] = []
        self.ended_by_itself: list[str] = []
        self._asked_to_end: set[int] = set()
        self.simulator_kills: list[float] = []
        self.version = 1
        self._lock, self._ended = threading.RLock(), threading.Event()
        self.zygote = self._zygote()
        self._supervisor = threading.Thread(target=self._supervise, name="supervisor", daemon=True)

    def _zygote(self) -> "subprocess.Popen[str]":
        with (self.logs / "zygote.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.chaos.zygote"],
                env=self.values,
                cwd=stack.ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
            )
        if process.stdout is None or process.stdout.readline() != "ready\n":
            raise stack.StackError(f"the zygote did not start; its log is {self.logs / 'zygote.log'}")
        return process

    def start(self) -> None:
        """Start every process, and wait until the web answers and each worker is ready."""
        commands = stack.read_procfile()
        self.launch(
            "simulator",
            shlex.split(f"-m providers.simulator --echo --latency 0.02-0.12 --port {self.simulator_port}"),
        )
        for name in WORKERS:
            argv = self._argv(commands[name])
            argv[argv.index("-Q") + 1] = SHARED.get(name, name)
            self.launch(name, argv)
        for name in DISPATCHERS:
            self.launch(name, self._argv(commands["dispatcher"]))
        self.launch("web", self._argv(commands["web"]))
        self.wait_ready()
        self._supervisor.start()

    def _argv(self, command: str) -> list[str]:
        return [Template(part).substitute(self.values) for part in shlex.split(command)][1:]

    def launch(self, name: str, argv: list[str], **extra: str) -> Running:
        """Start ``python argv...`` under ``name``; it is kept alive from now on."""
        with self._lock:
            pooled = self._pooled if name in POOLED else {}
            process = Running(name, argv, extra=pooled | extra)
            self.running[name] = process
            self._spawn(process)
        return process

    def again(self, name: str) -> None:
        """Start a successor beside a process that is frozen; from now on the successor has its name."""
        with self._lock:
            self._spawn(self.running[name])

    def _spawn(self, process: Running) -> None:
        asked = {
            "argv": process.argv,
            "environment": {"CHAOS_VERSION": str(self.version)} | process.extra,
            "log": str(self.logs / f"{process.name}.log"),
        }
        if self.zygote.stdin is None or self.zygote.stdout is None:
            raise stack.StackError("the zygote has no pipes")
        self.zygote.stdin.write(json.dumps(asked) + "\n")
        self.zygote.stdin.flush()
        process.pid = int(self.zygote.stdout.readline())

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL, *, group: bool = False) -> int:
        """Signal a process (or its whole session); its pid."""
        with self._lock:
            pid = self.running[name].pid
            self.signal(pid, number, group=group)
            if name == "simulator":
                self.simulator_kills.append(time.time())
        return pid

    def signal(self, pid: int, number: signal.Signals, *, group: bool = False) -> None:
        """Signal a process that we have started, if it still lives."""
        if number == signal.SIGKILL:
            self.killed.append((pid, time.time()))
        if number in {signal.SIGKILL, signal.SIGTERM}:
            self._asked_to_end.add(pid)
        with contextlib.suppress(ProcessLookupError):
            (os.killpg if group else os.kill)(pid, number)

    def retire(self, name: str) -> int:
        """Start a successor at once and let the process end by SIGTERM; the old pid."""
        with self._lock:
            process = self.running[name]
            old = process.pid
            self._spawn(process)
        self.signal(old, signal.SIGTERM)
        return old

    def drop(self, name: str) -> None:
        """Kill a process and do not start it again."""
        with self._lock:
            process = self.running.pop(name)
            self.signal(process.pid, signal.SIGKILL, group=True)

    def children_of(self, name: str) -> list[int]:
        """Pids of the children of a process: those of a prefork pool."""
        try:
            return [
                int(pid)
                for pid in Path(f"/proc/{self.running[name].pid}/task/{self.running[name].pid}/children")
                .read_text()
                .split()
            ]
        except OSError:
            return []

    def alive(self, pid: int) -> bool:
        """Whether a process is there."""
        return Path(f"/proc/{pid}").exists()

    def _supervise(self) -> None:
        while not self._ended.wait(0.1):
            with self._lock:
                for process in list(self.running.values()):
                    if not process.down and not self.alive(process.pid):
                        # What the dead one has left of its session: a prefork pool.
                        self.signal_leftovers(process.pid)
                        if process.pid not in self._asked_to_end | self._died_at_failpoints():
                            self.ended_by_itself.append(process.name)
                        self.restarts[process.name] = self.restarts.get(process.name, 0) + 1
                        self._spawn(process)

    def signal_leftovers(self, leader: int) -> None:
        """Kill what is left of a dead process's session, as a container's end would."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(leader, signal.SIGKILL)

    def wait_ready(self, seconds: float = 90) -> None:
        """Wait for web and workers."""
        end = time.monotonic() + seconds
        waiting = {"web", "simulator", *WORKERS}
        while waiting:
            for name in list(waiting):
                if self._answers(name):
                    waiting.discard(name)
            for process in self.running.values():
                if not self.alive(process.pid):
                    tail = (self.logs / f"{process.name}.log").read_text(errors="replace")[-2000:]
                    raise stack.StackError(f"{process.name} ended while starting: {tail}")
            if time.monotonic() > end:
                raise stack.StackError(f"not ready: {', '.join(sorted(waiting))}; logs are in {self.logs}")
            time.sleep(0.05)

    def _answers(self, name: str) -> bool:
        if name in WORKERS:
            log = self.logs / f"{name}.log"
            return log.exists() and b" ready." in log.read_bytes()
        url = (
            f"http://127.0.0.1:{self.port}/ready"
            if name == "web"
            else f"http://127.0.0.1:{self.simulator_port}/__sim__/"
        )
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def manage(self, *arguments: str) -> str:
        """Run a management command to its end; what it printed."""
        return run_management_command(self.values, *arguments)

    def behave(self, provider: str, behaviour: dict[str, Any]) -> None:
        """Tell the simulator how a provider behaves."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.simulator_port}/__sim__/{provider}",
            data=json.dumps(behaviour).encode(),
            method="PUT",
            headers={"Content-Type": "application/json"},
        )
        with contextlib.suppress(OSError):  # it was killed a moment ago; it comes back as it was at first
            urllib.request.urlopen(request, timeout=5).close()

    def rows(self, sql: str, params: Any = None) -> list[tuple[Any, ...]]:
        """What the database answers, asked from outside; tried again while it is away."""
        end = time.monotonic() + 30
        while True:
            try:
                with self.postgres.connect(self.database) as db:
                    return db.execute(sql, params).fetchall()
            except psycopg.OperationalError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.1)

    def execute(self, sql: str) -> None:
        """Change the database from outside."""
        with self.postgres.connect(self.database) as db:
            db.execute(sql)

    def armed(self, point: str) -> Path:
        """The file that arms a failpoint."""
        return self.logs / "failpoints" / point

    def _died_at_failpoints(self) -> set[int]:
        fired = (self.logs / "failpoints" / "fired").iterdir()
        return {int(path.name.rpartition(".")[2]) for path in fired}

    def fired(self) -> list[str]:
        """Failpoints at which a process has died, each as often as it did."""
        return [path.name.rpartition(".")[0] for path in (self.logs / "failpoints" / "fired").iterdir()]

    def stop(self) -> None:
        """End everything that was started, by its pid."""
        self._ended.set()
        if self._supervisor.ident is not None:
            self._supervisor.join()
        for process in self.running.values():
            self.signal_leftovers(process.pid)
        self.zygote.kill()
        self.zygote.wait()
        for pipe in (self.zygote.stdin, self.zygote.stdout):
            if pipe is not None:
                pipe.close()
        self.proxy.stop()
        self._servers.close()
