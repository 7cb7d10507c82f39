"""What one ``complete()`` costs over the bare SDK call, and beside litellm's Router: CPU of the calling process, and wall time.

Four processes make the same call, one at a time, of the same model to the same simulated server: the ``openai`` SDK alone;
``providers.calls.call_model`` with limits, ledger, breaker, stored answer and price, on a durable PostgreSQL; litellm's Router
with its own limits; and the SDK between two trivial statements on that PostgreSQL, the least that could keep our promises. They take turns of some calls, so that whatever else the machine does hits all.
"""

import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from bench import goals
from bench.cost import peer_python
from bench.private_postgres import postgres, version
from bench.simulated import simulator

BENCH = Path(__file__).resolve().parent
TURNS, CALLS = 12, 40
WHO = ("sdk", "ours", "router", "least")
GOALS: goals.Goals = {
    "cpu_vs_sdk": ("<=", 2.0),
    "wall_vs_sdk": ("<=", 2.0),
    "cpu_vs_litellm_router": ("<=", 0.7),
    "wall_vs_litellm_router": ("<=", 0.7),
}


def main() -> int:
    """Write ``results/provider_call.json``; 1 if a goal was missed."""
    with postgres() as server, simulator() as urls:
        environment = {
            "DATABASE_URL": server.url,
            "OPENAI_BASE_URL": urls["OPENAI_BASE_URL"],
            "OPENAI_API_KEY": "k",
            "SECRET_KEY": "bench",
            "PYTHONPATH": str(BENCH.parent),
        }
        environment |= {"OPENAI_REQUESTS_PER_MINUTE": "1000000", "OPENAI_TOKENS_PER_MINUTE": "1000000000"}
        environment |= {"OPENAI_DAILY_TOKEN_QUOTA": "1000000000", "DAILY_BUDGET_USD": "1000000"}
        subprocess.run(
            [sys.executable, "manage.py", "migrate", "-v", "0"], check=True, env=_with(environment)
        )
        callers = {
            "sdk": start([sys.executable, "-m", "bench.provider_call_sdk"], environment),
            "ours": start([sys.executable, "-m", "bench.provider_call_ours"], environment),
            "least": start([sys.executable, "-m", "bench.provider_call_least"], environment),
            "router": start([str(peer_python()), str(BENCH / "peers" / "litellm_router.py")], environment),
        }
        try:
            results = measure(callers) | {"postgresql": version(server.url)}
        finally:
            for caller in callers.values():
                caller.kill()
                caller.wait()
    goals.write("provider_call", results)
    return goals.report(results, GOALS)


def measure(callers: dict[str, "subprocess.Popen[str]"]) -> dict[str, Any]:
    """Ratios of the medians over all turns; the first turn of each warms up."""
    cpu: dict[str, list[float]] = {who: [] for who in WHO}
    wall: dict[str, list[float]] = {who: [] for who in WHO}
    versions: dict[str, str] = {}
    for turn in range(TURNS + 1):
        for who in WHO:
            said = turn_of(callers[who])
            versions |= said["versions"]
            if turn:
                cpu[who].append(said["cpu_ms"])
                wall[who] += said["wall_ms"]
    cpu_ms = {who: statistics.median(cpu[who]) for who in WHO}
    wall_ms = {who: statistics.median(wall[who]) for who in WHO}
    return {
        "cpu_vs_sdk": round(cpu_ms["ours"] / cpu_ms["sdk"], 3),
        "cpu_vs_litellm_router": round(cpu_ms["ours"] / cpu_ms["router"], 3),
        "wall_vs_sdk": round(wall_ms["ours"] / wall_ms["sdk"], 3),
        "wall_vs_litellm_router": round(wall_ms["ours"] / wall_ms["router"], 3),
        "least_wall_vs_sdk": round(wall_ms["least"] / wall_ms["sdk"], 3),
        "calls": TURNS * CALLS,
        **{f"cpu_ms_{who}": round(cpu_ms[who], 3) for who in WHO},
        **{f"wall_ms_p50_{who}": round(wall_ms[who], 3) for who in WHO},
        **versions,
    }


def turn_of(caller: "subprocess.Popen[str]") -> dict[str, Any]:
    """Let one caller make its calls."""
    if caller.stdin is None or caller.stdout is None:
        raise RuntimeError("a caller has no pipes")
    caller.stdin.write(f"{CALLS}\n")
    caller.stdin.flush()
    for line in caller.stdout:
        if line.startswith("{"):
            return dict(json.loads(line))
    raise RuntimeError(f"a caller ended with {caller.wait()}")


def start(command: list[str], environment: dict[str, str]) -> "subprocess.Popen[str]":
    """A caller that waits for its turn."""
    return subprocess.Popen(
        command,
        env=_with(environment),
        cwd=BENCH.parent,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def _with(environment: dict[str, str]) -> dict[str, str]:
    return os.environ | environment


if __name__ == "__main__":
    raise SystemExit(main())
