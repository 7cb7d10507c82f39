"""The whole stack in the foreground: the Procfile, with embedded servers and the simulator where needed.

``python -m orchestrator.dev.stack`` is ``make up``. Ctrl-C, SIGTERM, an exception and a kill -9 all end every
process.
"""

import contextlib
import json
import os
import secrets
import shlex
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from string import Template
from typing import IO

from rich.console import Console

from orchestrator import child_processes, env, process_secrets
from orchestrator.core.errors import FixedBy, OrchestratorError
from orchestrator.dev import embedded, forking
from orchestrator.dev.alert_chain import AlertChain
from orchestrator.dev.far_sides.choice import BY_TERRAFORM, choose_local, describe_local
from orchestrator.dev.far_sides.terraform.cli_config import write_cli_config
from orchestrator.dev.probes import is_answering
from orchestrator.dev.sample_repo import check_out_sample
from orchestrator.dev.steps import Steps

ROOT = Path(__file__).resolve().parents[2]
PROVIDERS = ("anthropic", "openai", "google")
SIMULATOR = "simulator"
"""Starts alone: it must not agree with the product by sharing its code."""
FAR_SIDES = "far-sides"
"""GitHub, GitLab, PagerDuty and Grafana on this machine, where the real ones are not configured."""
TRIED = "compliance-service"
"""The sample whose repo `make up` prepares, so that what it prints can be typed."""
_MOST_RESTARTS = 5
"""In ten minutes; a process that ends more often has a reason that starting it again does not cure."""
_RESTARTS_SECONDS = 600.0
_DEFAULTS = {
    "HOST": "127.0.0.1",
    "PORT": "8000",
    "FLOWER_PORT": "5555",
    "EXPORTER_PORT": "9808",
    "SIMULATOR_SAMPLES": "samples",
}


class StackError(OrchestratorError):
    """A process of the stack did not start, or ended by itself; the message names it and its log."""

    code = "dev:stack"
    cure = "Fix what the end of the log says, then start again."
    fixed_by = FixedBy.OPERATOR


@dataclass
class Stack:
    """The processes that run, by name, and the folder of their logs."""

    values: dict[str, str]
    logs: Path
    zygote: forking.Zygote | None = None
    """Forks the Python processes; without it each starts, and imports, by itself."""
    running: dict[str, child_processes.ChildProcess] = field(default_factory=dict)
    commands: dict[str, str] = field(default_factory=dict)
    restarted: list[float] = field(default_factory=list)
    local_far_sides: tuple[str, ...] = ()
    """Services of onboarding that are stand-ins."""
    access: dict[str, str] = field(default_factory=dict)
    """``user`` and ``password`` of the admin, ``token`` of an operator; new at each start."""

    def start(self, name: str, command: str) -> None:
        """Start one process; its output goes to ``<logs>/<name>.log``."""
        self.commands[name] = command
        # Split first, then fill in: a value with a space stays one argument.
        program, *arguments = [Template(part).substitute(self.values) for part in shlex.split(command)]
        # The simulator and the tools around the product hold no secret of it.
        own = name in read_procfile()
        environment = (
            process_secrets.withhold_secrets(name, self.values)
            if own
            else process_secrets.leave_out_secrets(self.values)
        )
        # Added to, not written over: after a restart, the log says why the process ended.
        with self.log_path(name).open("ab") as output:
            if program == "python" and name != SIMULATOR and self.zygote is not None:
                # `local_access` has checked the project. Each check looks at every model, address and page,
                # and writes its count of references into pages that the processes would otherwise share.
                environment["CELERY_SKIP_CHECKS"] = "1"
                self.running[name] = self.zygote.fork(name, arguments, environment, output)
                return
            # When this process is killed, the servers die with it. A worker that ended softly would then wait
            # for a broker that never comes back. Killing it is safe: the database is the truth, and nothing
            # is half-written.
            self.running[name] = child_processes.start(
                [sys.executable if program == "python" else program, *arguments],
                death_signal=signal.SIGKILL,
                environment=environment,
                output=output,
                cwd=ROOT,
            )

    def log_path(self, name: str) -> Path:
        """The file that takes a process's output."""
        return self.logs / f"{name}.log"

    def wait_until(self, ready: Callable[[], bool], *, name: str, seconds: float = 180) -> None:
        """Wait until the process ``name`` is ready; raises ``StackError`` at once when any process ends."""
        end = time.monotonic() + seconds
        while not ready():
            self.require_all()
            if time.monotonic() > end:
                raise StackError(
                    f"{name} is not ready after {seconds:.0f} s; its log is {self.log_path(name)}"
                )
            time.sleep(0.05)

    def require_all(self) -> None:
        """Raise ``StackError`` when a process has ended by itself."""
        for name, child in self.running.items():
            if child.poll() is not None:
                tail = self.log_path(name).read_text(encoding="utf-8", errors="replace")[-3000:]
                raise StackError(f"{name} ended with exit code {child.returncode}:\n{tail}")

    def restart_ended(self) -> list[str]:
        """Start the processes that have ended by themselves again; their names.

        Raises ``StackError`` where that happens too often: then starting again does not help.
        """
        ended = [name for name, child in self.running.items() if child.poll() is not None]
        now = time.monotonic()
        self.restarted = [at for at in self.restarted if now - at < _RESTARTS_SECONDS] + [now] * len(ended)
        if ended and len(self.restarted) > _MOST_RESTARTS:
            self.require_all()
        for name in ended:
            # What it has left of its session, as the children of a pool.
            child_processes.stop(self.running[name])
            self.start(name, self.commands[name])
        forking.reap_orphans({child.pid for child in self.running.values()})
        return ended

    def stop(self) -> None:
        """Stop every process."""
        # All are asked before any is waited for, so that they end side by side.
        for child in self.running.values():
            if child.poll() is None:
                child.terminate()
        for child in self.running.values():
            child_processes.stop(child)


def read_procfile() -> dict[str, str]:
    """The command of each process of the Procfile, by its name.

    The line ``compatible`` becomes a worker for each compatible server, under the server's name.
    """
    commands = {}
    for line in (ROOT / "Procfile").read_text(encoding="utf-8").splitlines():
        name, colon, command = line.partition(":")
        if colon:
            commands[name.strip()] = command.strip()
    # A worker of its own for each: a slow server must not take the threads of another.
    worker = commands.pop("compatible")
    for server in env.read_names("COMPATIBLE_PROVIDERS"):
        commands[server] = worker.replace("${COMPATIBLE_PROVIDERS}", server).replace(
            "compatible@", f"{server}@"
        )
    return commands


@contextlib.contextmanager
def run_processes(
    names: Iterable[str],
    *,
    state: Path | None,
    logs: Path,
    simulator: bool,
    far_sides: bool = False,
    environment: Mapping[str, str] | None = None,
    say: Callable[[str], None] = lambda _: None,
    prepare: Callable[[Stack], None] = lambda _: None,
) -> Iterator[Stack]:
    """Run the named processes of the Procfile, migrated and ready; stop them all at the end.

    ``environment`` overrides the process's own. With ``simulator`` every provider without an API key is
    simulated; with ``far_sides``, each service that onboarding writes to is local unless its credentials are
    set. ``say`` is called with each step before it begins, ``prepare`` with the stack before a process of the
    Procfile starts: what it starts is stopped with the others.
    """
    commands, names = read_procfile(), list(names)
    logs.mkdir(parents=True, exist_ok=True)
    # The logs of an earlier run would say that a process is ready before it is.
    for old in logs.glob("*.log"):
        old.unlink()
    say("Starting PostgreSQL and Valkey; loading the product")
    with (
        forking.run_zygote(os.environ | dict(environment or {}), logs / "zygote.log", ROOT) as zygote,
        embedded.provide_servers(state, environment) as values,
    ):
        for key, default in _DEFAULTS.items():
            values[key] = values.get(key) or default
        values.setdefault("SECRET_KEY", _read_secret_key(state))
        stack = Stack(values, logs, zygote)
        try:
            if simulator:
                _start_simulator(stack)
            if far_sides:
                _start_far_sides(stack, logs)
            prepare(stack)
            workers = [name for name in names if " worker " in commands[name]]
            # Workers and the web process need no table to start. The others read tables at once. Workers of
            # providers come last of the early ones: their SDKs load while the database is migrated.
            early = [name for name in names if name in {*workers, "web"}]
            providers = {*PROVIDERS, *env.read_names("COMPATIBLE_PROVIDERS")}
            early.sort(key=lambda name: name in providers)
            with tempfile.TemporaryFile() as output:
                command = ("local_access", "--migrate", *list_sample_repos())
                access = zygote.fork("local_access", ["manage.py", *command], values, output)
                say("Migrating the database; starting the web process and a worker for each queue")
                for name in early:
                    stack.start(name, commands[name])
                stack.access = _read_access(access, output)
            for name in names:
                if name not in early:
                    stack.start(name, commands[name])
            say(f"Waiting for {len(early)} processes that are still loading")
            _wait_until_ready(stack, names, workers)
            yield stack
        finally:
            stack.stop()


def _read_access(command: forking.ForkedProcess, output: IO[bytes]) -> dict[str, str]:
    """What the management command ``local_access`` has printed, once it has ended."""
    code = command.wait()
    output.seek(0)
    text = output.read().decode(errors="replace")
    if code != 0:
        raise StackError(f"manage.py local_access failed:\n{text[-5000:]}")
    return dict(json.loads(text.splitlines()[-1]))


def _wait_until_ready(stack: Stack, names: Iterable[str], workers: Iterable[str]) -> None:
    host = stack.values["HOST"]
    addresses = {
        "web": f"http://{host}:{stack.values['PORT']}/ready",
        # Not /metrics, which wants a credential where METRICS_TOKEN is set.
        "exporter": f"http://{host}:{stack.values['EXPORTER_PORT']}/health",
        "flower": f"http://{host}:{stack.values['FLOWER_PORT']}/healthcheck",
    }
    for name in names:
        if name in addresses:
            stack.wait_until(partial(is_answering, addresses[name]), name=name)
    for name in workers:
        stack.wait_until(partial(_says_ready, stack.log_path(name)), name=name)


def _says_ready(log: Path) -> bool:
    return b" ready." in log.read_bytes()


def list_sample_repos() -> list[str]:
    """The repos that the samples are for, sorted."""
    return sorted({read_scenario_repo(path) for path in ROOT.glob("samples/*/scenario.yml")})


def read_scenario_repo(scenario: Path) -> str:
    """The repo that a sample's scenario is for."""
    for line in scenario.read_text(encoding="utf-8").splitlines():
        key, _, value = line.partition(":")
        if key == "repo":
            return value.strip()
    raise StackError(f"{scenario} names no repo.", cure="Add a line `repo: <name>` to it.")


def _start_simulator(stack: Stack) -> None:
    """Simulate every provider that has no API key."""
    simulated = [name for name in PROVIDERS if not _has_key(stack.values, name)]
    if not simulated:
        return
    latency = stack.values.get("SIMULATOR_LATENCY_SECONDS", "0.4")
    stack.start(
        SIMULATOR, f"python -m providers.simulator --samples ${{SIMULATOR_SAMPLES}} --latency {latency}"
    )
    log = stack.log_path(SIMULATOR)
    stack.wait_until(lambda: _read_simulator_urls(log) != {}, name=SIMULATOR)
    urls = _read_simulator_urls(log)
    for name in simulated:
        stack.values[f"{name.upper()}_API_KEY"] = "simulated"
        stack.values[f"{name.upper()}_BASE_URL"] = urls[f"{name.upper()}_BASE_URL"]


def _start_far_sides(stack: Stack, folder: Path) -> None:
    """Serve the services of onboarding that are not configured; the others are the real ones."""
    local = choose_local(stack.values)
    if not local:
        return
    place = folder.parent / FAR_SIDES
    words = shlex.join([str(place), *local])
    stack.start(FAR_SIDES, f"python -m orchestrator.dev.far_sides.local {words}")
    log = stack.log_path(FAR_SIDES)
    stack.wait_until(lambda: _read_simulator_urls(log) != {}, name=FAR_SIDES)
    stack.values |= _read_simulator_urls(log)
    stack.local_far_sides = local
    stack.values["CLONE_PRIVATE_HOSTS"] = stack.values.get("CLONE_PRIVATE_HOSTS") or "127.0.0.1"
    stack.values["PUBLIC_URL"] = (
        stack.values.get("PUBLIC_URL") or f"http://{stack.values['HOST']}:{stack.values['PORT']}"
    )
    providers = [name for name in BY_TERRAFORM if name in local]
    # What somebody has configured for Terraform is theirs.
    if providers and _has_terraform(stack.values) and not stack.values.get("TERRAFORM_CLI_CONFIG"):
        config = write_cli_config(place, providers)
        if config is not None:
            stack.values["TERRAFORM_CLI_CONFIG"] = str(config)


def _describe_far_sides(stack: Stack) -> dict[str, str]:
    """Which are local, and what is missing for an onboarding; empty where all are the real ones."""
    rows = describe_local(stack.values, stack.local_far_sides)
    if rows and not _has_terraform(stack.values):
        rows["Missing"] = "terraform: an onboarding stops at its first step (set TERRAFORM_BIN)"
    return rows


def _has_terraform(values: Mapping[str, str]) -> bool:
    return shutil.which(values.get("TERRAFORM_BIN") or "terraform") is not None


def _has_key(values: Mapping[str, str], provider: str) -> bool:
    name = f"{provider.upper()}_API_KEY"
    return bool(values.get(name) or values.get(f"{name}_FILE"))


def _read_simulator_urls(log: Path) -> dict[str, str]:
    """The base URLs that the simulator prints in one line as soon as it listens; empty before."""
    for line in log.read_text(encoding="utf-8").splitlines(keepends=True):
        # A line without its end is still being written.
        if line.startswith("{") and line.endswith("\n"):
            return dict(json.loads(line))
    return {}


def _read_secret_key(state: Path | None) -> str:
    """A key that survives restarts where the database does, so that sessions and tokens stay valid."""
    if state is None:
        return secrets.token_urlsafe(48)
    path = state / "secret_key"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        # Closed before the key is in it.
        path.touch(mode=0o600)
        path.write_text(secrets.token_urlsafe(48), encoding="ascii")
    return path.read_text(encoding="ascii")


def _print_welcome(stack: Stack, tried: Path, console: Console, more: Mapping[str, str]) -> None:
    values, access = stack.values, stack.access
    base = f"http://{values['HOST']}:{values['PORT']}"
    rows = {
        "API and its docs": f"{base}/api/v1/docs/",
        "Admin": f"{base}/admin/",
        "Onboarding": f"{base}/onboarding/",
        "Status": f"{base}/status/",
        "Flower": f"http://{values['HOST']}:{values['FLOWER_PORT']}/",
        "Metrics": f"http://{values['HOST']}:{values['EXPORTER_PORT']}/metrics",
        **more,
        "Admin login": f"{access['user']} / {access['password']}",
        "Logs": str(stack.logs),
    }
    blocks = shlex.quote(str(Path(sys.executable).parent / "blocks"))
    commands = (
        f"export BLOCKS_API_URL={base} BLOCKS_TOKEN={access['token']}",
        f"cd {shlex.quote(str(tried))}",
        f"{blocks} init --repo {TRIED}",
        f"{blocks} flow run --input feature_request.md",
    )
    console.rule("[bold]Multi-LLM Orchestrator is up[/]")
    for label, value in rows.items():
        console.print(f"  [dim]{label:<18}[/]{value}", highlight=False)
    console.print("\n  In another terminal:\n", highlight=False)
    for command in commands:
        console.print(f"    {command}", highlight=False, soft_wrap=True)
    console.rule("ctrl-C stops everything")


def main() -> int:
    """``make up``: run until ctrl-C or SIGTERM, or until a process ends again and again."""
    console = Console()
    state = Path(os.environ.get("STATE_DIR", ROOT / ".state"))
    simulator = os.environ.get("SIMULATOR", "1") != "0"
    chain = AlertChain(state / "ops") if os.environ.get("OPS", "0") not in {"", "0"} else None
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        with (
            Steps(console) as steps,
            run_processes(
                read_procfile(),
                state=state,
                logs=state / "logs",
                simulator=simulator,
                far_sides=os.environ.get("FAR_SIDES", "1") != "0",
                say=steps.begin,
                prepare=chain.start if chain is not None else lambda _: None,
            ) as stack,
        ):
            steps.finish()
            tried = state / "try" / TRIED
            # Kept over restarts, with the blocks that somebody has fetched into it.
            if not tried.exists():
                check_out_sample(TRIED, tried)
            if chain is not None:
                chain.keep_token(stack.access["token"])
            shown = chain.rows if chain is not None else {}
            _print_welcome(stack, tried, console, {**shown, **_describe_far_sides(stack)})
            _watch(stack, console)
    except KeyboardInterrupt:
        console.print("\nStopped.", highlight=False)
    except (StackError, forking.ZygoteError, embedded.EmbeddedServerError) as error:
        console.print(f"[red]{type(error).__name__}[/]", end=" ")
        console.print(f"{error.message}\n{error.cure}", markup=False, highlight=False, soft_wrap=True)
        return 1
    return 0


def _watch(stack: Stack, console: Console) -> None:
    """Start again what ends by itself, until ctrl-C; raises ``StackError`` where that does not help.

    Nothing else is printed, so that addresses, log-in and token stay on the screen.
    """
    while True:
        for name in stack.restart_ended():
            console.print(f"{name} ended and was started again; see {stack.log_path(name)}", highlight=False)
        time.sleep(0.5)


def _interrupt(*_: object) -> None:
    """Let SIGTERM end the stack as ctrl-C does."""
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
