"""What one ``complete()`` costs beside the bare SDK call and beside litellm's Router: CPU of the caller, and
wall time. All answers are streamed.

Four processes make the same call, one at a time, of the same model to the same simulated server: the
``openai`` SDK alone; ``providers.calls.call_model`` with limits, ledger, breaker, stored answer and price, on
a durable PostgreSQL; litellm's Router with its own limits; and the SDK between two trivial statements on that
PostgreSQL, the least that could keep our promises. They take turns of some calls, so that other load of the
machine affects all of them alike.
"""

import contextlib
import json
import os
import statistics
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from bench.goals import Goals, at_most, judge_results, write_results
from bench.peer_environments import PeerFailure, require_python, takes_part
from bench.private_postgres import Server, read_server_version, run_durable_postgres
from bench.scale import choose_size
from bench.simulated import run_simulator

BENCH = Path(__file__).resolve().parent
TURNS = choose_size(full=12, small=1)
CALLS = choose_size(full=40, small=3)
GOALS: Goals = {
    "cpu_vs_sdk": at_most(1.4),
    "wall_vs_sdk": at_most(2.0),
    "cpu_vs_litellm_router": at_most(0.5),
    "wall_vs_litellm_router": at_most(0.5),
}


@dataclass
class Caller:
    """A process that makes calls when it is told to."""

    name: str
    process: subprocess.Popen[str]

    @classmethod
    def start(cls, name: str, command: list[str], environment: Mapping[str, str]) -> Self:
        """Start one; it waits for its first turn."""
        process = subprocess.Popen(
            command,
            env=environment,
            cwd=BENCH.parent,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return cls(name, process)

    def take_turn(self) -> dict[str, Any]:
        """Make ``CALLS`` calls; returns what the caller reports of them."""
        if self.process.stdin is None or self.process.stdout is None:
            raise RuntimeError(f"{self.name} has no pipes")
        self.process.stdin.write(f"{CALLS}\n")
        self.process.stdin.flush()
        # A peer may print other lines first.
        for line in self.process.stdout:
            if line.startswith("{"):
                return dict(json.loads(line))
        raise PeerFailure(f"{self.name} ended with {self.process.wait()}")

    def kill(self) -> None:
        """End it at once."""
        self.process.kill()
        self.process.wait()


@contextlib.contextmanager
def run_callers(server: Server, urls: Mapping[str, str]) -> Iterator[list[Caller]]:
    """Start every caller that takes part, ours first; kill them at the end."""
    environment = os.environ | {
        "DATABASE_URL": server.url,
        "OPENAI_BASE_URL": urls["OPENAI_BASE_URL"],
        "OPENAI_API_KEY": "k",
        "SECRET_KEY": "bench",
        "PYTHONPATH": str(BENCH.parent),
        # Limits that are checked, and never reached.
        "OPENAI_REQUESTS_PER_MINUTE": "1000000",
        "OPENAI_TOKENS_PER_MINUTE": "1000000000",
        "OPENAI_DAILY_TOKEN_QUOTA": "1000000000",
        "DAILY_BUDGET_USD": "1000000",
    }
    migrate = [sys.executable, "manage.py", "migrate", "--skip-checks", "-v", "0"]
    subprocess.run(migrate, check=True, env=environment, cwd=BENCH.parent)
    commands = {
        "ours": [sys.executable, "-m", "bench.provider_call_ours"],
        "sdk": [sys.executable, "-m", "bench.provider_call_sdk"],
        "least": [sys.executable, "-m", "bench.provider_call_least"],
    }
    if takes_part("litellm"):
        commands["router"] = [str(require_python("litellm")), str(BENCH / "peers" / "litellm_router.py")]
    callers = [Caller.start(name, command, environment) for name, command in commands.items()]
    try:
        yield callers
    finally:
        for caller in callers:
            caller.kill()


def measure_callers(callers: list[Caller]) -> dict[str, Any]:
    """Ratios of the medians over all turns; the first turn of each warms up."""
    cpu: dict[str, list[float]] = defaultdict(list)
    wall: dict[str, list[float]] = defaultdict(list)
    versions: dict[str, str] = {}
    for turn in range(TURNS + 1):
        answers: dict[str, list[str]] = {}
        for caller in callers:
            report = caller.take_turn()
            versions |= report["versions"]
            answers[caller.name] = report["answers"]
            if turn > 0:
                cpu[caller.name].append(report["cpu_ms"])
                wall[caller.name] += report["wall_ms"]
        require_same_answers(answers)
    cpu_ms = {name: statistics.median(values) for name, values in cpu.items()}
    wall_ms = {name: statistics.median(values) for name, values in wall.items()}
    found: dict[str, Any] = {"calls": TURNS * CALLS, **versions}
    for name in cpu_ms:
        found[f"cpu_ms_{name}"] = round(cpu_ms[name], 3)
        found[f"wall_ms_p50_{name}"] = round(wall_ms[name], 3)
    for key, name in (("sdk", "sdk"), ("litellm_router", "router")):
        if name in cpu_ms:
            found[f"cpu_vs_{key}"] = round(cpu_ms["ours"] / cpu_ms[name], 3)
            found[f"wall_vs_{key}"] = round(wall_ms["ours"] / wall_ms[name], 3)
    found["least_wall_vs_sdk"] = round(wall_ms["least"] / wall_ms["sdk"], 3)
    return found


def require_same_answers(answers: Mapping[str, list[str]]) -> None:
    """Raise ``PeerFailure`` unless every caller got the answers that the bare SDK got."""
    expected = answers["sdk"]
    if not all(expected):
        raise PeerFailure("the bare SDK got an empty answer")
    for name, got in answers.items():
        if got != expected:
            raise PeerFailure(
                f"{name} got other answers than the bare SDK: {got[:1]} instead of {expected[:1]}"
            )


def main() -> int:
    """Measure, write ``results/provider_call.json``; 1 if a goal was missed."""
    with (
        run_durable_postgres() as server,
        run_simulator(echo=False) as urls,
        run_callers(server, urls) as callers,
    ):
        results = measure_callers(callers) | {"postgresql": read_server_version(server.url)}
    write_results("provider_call", results)
    return judge_results(results, GOALS)


if __name__ == "__main__":
    sys.exit(main())
