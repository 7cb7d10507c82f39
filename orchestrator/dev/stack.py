"""The whole stack in the foreground: what the Procfile names, on embedded servers and the simulator where needed.

``python -m orchestrator.dev.stack`` is ``make up``. Ctrl-C, SIGTERM, an exception and a kill -9 all end every process.
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
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from string import Template

from rich.console import Console

from orchestrator import child_processes
from orchestrator.dev import embedded

ROOT = Path(__file__).resolve().parents[2]
PROVIDERS = ("anthropic", "openai", "google")
_COLOURS = (
    "cyan",
    "magenta",
    "green",
    "yellow",
    "blue",
    "bright_cyan",
    "bright_magenta",
    "bright_green",
    "bright_yellow",
    "bright_blue",
)
_DEFAULTS = {
    "HOST": "127.0.0.1",
    "PORT": "8000",
    "FLOWER_PORT": "5555",
    "EXPORTER_PORT": "9808",
    "SIMULATOR_SAMPLES": "samples",
}


class StackError(RuntimeError):
    """A part of the stack did not start or ended by itself; the message names it and its log."""


@dataclass
class Stack:
    """Running processes by name, and where each one's log is."""

    values: dict[str, str]
    logs: Path
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    access: dict[str, str] = field(default_factory=dict)
    """``user`` and ``password`` of the admin, ``token`` of an operator; new at each start."""

    def start(self, name: str, command: str) -> None:
        """Start one process; its output goes to ``<logs>/<name>.log``."""
        # Split first, then fill in: a value with a space stays one argument.
        argv = [Template(part).substitute(self.values) for part in shlex.split(command)]
        if argv[0] == "python":
            argv[0] = sys.executable
        with self.log(name).open("wb") as output:
            # When we are killed, the servers go with us: a worker that then ended softly would wait for a broker that never
            # comes back. A process that is killed leaves nothing half-written: the database is the truth.
            self.running[name] = child_processes.start(
                argv, death_signal=signal.SIGKILL, environment=self.values, output=output, cwd=ROOT
            )

    def log(self, name: str) -> Path:
        """The file that takes a process's output."""
        return self.logs / f"{name}.log"

    def wait(self, what: str, ready: Callable[[], bool], seconds: float = 180) -> None:
        """Wait until ``ready``; fail early with the end of the log when a process ends."""
        end = time.monotonic() + seconds
        while not ready():
            self.check()
            if time.monotonic() > end:
                raise StackError(f"{what} is not ready after {seconds:.0f} s; its log is {self.log(what)}")
            time.sleep(0.05)

    def check(self) -> None:
        """Raise ``StackError`` when a process has ended by itself."""
        for name, child in self.running.items():
            if child.poll() is not None:
                tail = self.log(name).read_text(encoding="utf-8", errors="replace")[-3000:]
                raise StackError(f"{name} ended with exit code {child.returncode}:\n{tail}")

    def stop(self) -> None:
        """Stop everything: all are asked at once, then each is waited for."""
        for child in self.running.values():
            if child.poll() is None:
                child.terminate()
        for child in self.running.values():
            child_processes.stop(child)


def procfile() -> dict[str, str]:
    """Process name to command, as the Procfile has them."""
    lines = (
        line.partition(":")
        for line in (ROOT / "Procfile").read_text(encoding="utf-8").splitlines()
        if ":" in line
    )
    return {name.strip(): command.strip() for name, _, command in lines}


@contextlib.contextmanager
def running(
    names: Iterable[str],
    *,
    state: Path | None,
    logs: Path,
    simulator: bool,
    environment: Mapping[str, str] | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> Iterator[Stack]:
    """Run the named processes of the Procfile, migrated and ready; stop them all at the end.

    ``environment`` overrides the process's own. With ``simulator`` every provider without an API key is simulated.
    ``say`` hears what is done next.
    """
    commands = procfile()
    logs.mkdir(parents=True, exist_ok=True)
    say("Starting PostgreSQL and Valkey")
    with embedded.environment(state, environment) as values:
        values.update({key: values.get(key) or default for key, default in _DEFAULTS.items()})
        values.setdefault("SECRET_KEY", _secret(state))
        stack = Stack(values, logs)
        try:
            if simulator:
                _simulate(stack)
            workers = [name for name in names if " worker " in commands[name]]
            early = [name for name in names if name in {*workers, "web"}]
            for (
                name
            ) in early:  # they import for seconds and need no table to start: side by side with the migration
                stack.start(name, commands[name])
            say("Migrating the database; loading the web process and a worker for each queue")
            stack.access = json.loads(manage(stack, "local_access", "--migrate", *sample_repos()))
            for name in names:
                if name not in early:
                    stack.start(name, commands[name])
            say(f"Waiting for {len(early)} processes that are still loading")
            if "web" in names:
                stack.wait("web", lambda: answers(f"http://{values['HOST']}:{values['PORT']}/ready"))
            if "exporter" in names:
                stack.wait(
                    "exporter", lambda: answers(f"http://{values['HOST']}:{values['EXPORTER_PORT']}/metrics")
                )
            if "flower" in names:
                stack.wait(
                    "flower", lambda: answers(f"http://{values['HOST']}:{values['FLOWER_PORT']}/healthcheck")
                )
            for name in workers:
                stack.wait(name, lambda name=name: b" ready." in stack.log(name).read_bytes())  # type: ignore[misc]
            yield stack
        finally:
            stack.stop()


def manage(stack: Stack, *arguments: str) -> str:
    """Run a management command to its end; returns what it printed."""
    done = subprocess.run(
        [sys.executable, "manage.py", *arguments],
        env=stack.values,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise StackError(f"manage.py {arguments[0]} failed:\n{done.stdout[-2000:]}{done.stderr[-3000:]}")
    return done.stdout


def sample_repos() -> list[str]:
    """The repos that the samples are for."""
    return sorted(
        {
            line.split(":", 1)[1].strip()
            for path in ROOT.glob("samples/*/scenario.yml")
            for line in _repo_lines(path)
        }
    )


def _repo_lines(path: Path) -> Iterator[str]:
    return (line for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("repo:"))


def _simulate(stack: Stack) -> None:
    missing = [
        name
        for name in PROVIDERS
        if not (
            stack.values.get(f"{name.upper()}_API_KEY") or stack.values.get(f"{name.upper()}_API_KEY_FILE")
        )
    ]
    if not missing:
        return
    latency = stack.values.get("SIMULATOR_LATENCY_SECONDS", "0.4")
    stack.start(
        "simulator", f"python -m providers.simulator --samples ${{SIMULATOR_SAMPLES}} --latency {latency}"
    )
    stack.wait("simulator", lambda: _addresses(stack.log("simulator")) != {})
    urls = _addresses(stack.log("simulator"))
    for name in missing:
        stack.values[f"{name.upper()}_API_KEY"] = "simulated"
        stack.values[f"{name.upper()}_BASE_URL"] = urls[f"{name.upper()}_BASE_URL"]


def _addresses(log: Path) -> dict[str, str]:
    """The base URLs that the simulator prints in one line as soon as it listens."""
    lines = (
        line for line in log.read_text(encoding="utf-8").splitlines(keepends=True) if line.startswith("{")
    )
    first = next(lines, "")
    return dict(json.loads(first)) if first.endswith("\n") else {}


def answers(url: str) -> bool:
    """Whether ``url`` answers 200."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - our own loopback address
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _secret(state: Path | None) -> str:
    """A key that survives restarts where the database does, so that sessions and tokens stay valid."""
    if state is None:
        return secrets.token_urlsafe(48)
    path = state / "secret_key"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_text(secrets.token_urlsafe(48), encoding="ascii")
    return path.read_text(encoding="ascii")


def _follow(stack: Stack, console: Console, ended: threading.Event) -> None:
    """Print every process's new lines with its name in front, until ``ended``."""
    places = dict.fromkeys(stack.running, 0)
    colours = dict(zip(stack.running, _COLOURS * 2, strict=False))
    while not ended.wait(0.2):
        for name in places:
            with stack.log(name).open("rb") as file:
                file.seek(places[name])
                whole, newline, _ = file.read().rpartition(b"\n")
                places[name] += len(whole) + len(newline)
            for line in whole.decode("utf-8", errors="replace").splitlines():
                console.print(f"[{colours[name]}]{name:>11}[/] │ ", end="")
                console.print(line, markup=False, highlight=False, soft_wrap=True)


def _welcome(stack: Stack, access: Mapping[str, str], console: Console) -> None:
    values, base = stack.values, f"http://{stack.values['HOST']}:{stack.values['PORT']}"
    console.rule("[bold]Multi-LLM Orchestrator is up[/]")
    rows = {
        "API and its docs": f"{base}/api/v1/docs/",
        "Admin": f"{base}/admin/",
        "Onboarding": f"{base}/onboarding/",
        "Status": f"{base}/status/",
        "Flower": f"http://{values['HOST']}:{values['FLOWER_PORT']}/",
        "Metrics": f"http://{values['HOST']}:{values['EXPORTER_PORT']}/metrics",
        "Admin login": f"{access['user']} / {access['password']}",
    }
    for label, value in rows.items():
        console.print(f"  [dim]{label:<18}[/]{value}", highlight=False)
    console.print("\n  In another terminal:\n", highlight=False)
    blocks = shlex.quote(str(Path(sys.executable).parent / "blocks"))
    console.print(
        f"    export BLOCKS_API_URL={base} BLOCKS_TOKEN={access['token']}", highlight=False, soft_wrap=True
    )
    console.print("    cd samples/compliance-service", highlight=False)
    console.print(
        f"    {blocks} flow run --repo compliance-service --input feature_request.md",
        highlight=False,
        soft_wrap=True,
    )
    console.rule("ctrl-C stops everything")


def main() -> int:
    """``make up``: run until ctrl-C or SIGTERM, or until a part ends by itself."""
    console = Console()
    state = Path(os.environ.get("STATE_DIR", ROOT / ".state"))
    signal.signal(signal.SIGTERM, lambda *_: _interrupt())
    simulator, ended = os.environ.get("SIMULATOR", "1") != "0", threading.Event()
    try:
        with running(procfile(), state=state, logs=state / "logs", simulator=simulator) as stack:
            _welcome(stack, stack.access, console)
            follower = threading.Thread(target=_follow, args=(stack, console, ended), daemon=True)
            follower.start()
            try:
                while True:
                    stack.check()
                    time.sleep(0.5)
            finally:
                ended.set()
                follower.join()
    except KeyboardInterrupt:
        console.print("\nStopped.", highlight=False)
        return 0
    except (StackError, embedded.EmbeddedServerError) as error:
        console.print(f"[red]{type(error).__name__}[/]", end=" ")
        console.print(str(error), markup=False, highlight=False, soft_wrap=True)
        return 1


def _interrupt() -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
