"""What one web process and the whole stack bear: followers, half-open connections, hostile lines, a failover.

A web process as the Procfile starts it holds followers of a flow (server-sent events) and connections whose
headers never end; meanwhile ``/health`` is asked again and again. Redaction reads 5 MB of source, and 512 KB
of one line for each way to be hostile. In the full form the whole stack starts, rests, and lives through a
failover of Redis. Writes ``results/robust.json``.
"""

import asyncio
import json
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import psutil
import psycopg
import redis

from bench.goals import Goals, at_least, at_most, judge_results, write_results
from bench.scale import SMALL, choose_size
from orchestrator.core.redaction import redact_file
from orchestrator.dev import embedded, stack
from tests.core.redaction.corpus import ADVERSARIAL, HARMLESS, list_secrets

GOALS: Final[Goals] = {
    "followers_held": at_least(1000),
    "half_open_held": at_least(500),
    "health_p95_ms_under_both": at_most(100),
    "web_rss_mb": at_most(250),
    "redaction_s_per_5mb": at_most(3),
    "redaction_worst_line_s": at_most(3),
    "secrets_leaked": at_most(0, exact=True),
    "harmless_hidden": at_most(0, exact=True),
    "unexpected_exits": at_most(0),
    "idle_statements_per_s": at_most(20),
    "stack_pss_mb": at_most(700),
    # Half of what ten processes took that each imported for themselves.
    "stack_start_s": at_most(8.7),
}
FOLLOWERS: Final = choose_size(1000, 60)
HALF_OPEN: Final = choose_size(500, 30)
ASKED: Final = choose_size(200, 20)
LINE_BYTES: Final = choose_size(512, 32) * 1024
SOURCE_BYTES: Final = choose_size(5 * 2**20, 2**18)
REST_SECONDS: Final = 20.0
FAILOVER_SECONDS: Final = 5.0
PATIENCE_SECONDS: Final = 120.0


@contextmanager
def run_stack(names: list[str], folder: Path) -> Iterator[stack.Stack]:
    """The named processes of the Procfile, on servers and ports of their own."""
    ports = {name: str(embedded.find_free_port()) for name in ("PORT", "FLOWER_PORT", "EXPORTER_PORT")}
    # The benchmarks' own placeholders must not be taken for servers.
    given = {"DATABASE_URL": "", "REDIS_URL": "", "STATE_DIR": str(folder), **ports}
    simulator = len(names) > 1
    if not simulator:
        # Nobody is called: a flow is only refused where a provider has no key.
        given |= {f"{provider.upper()}_API_KEY": "unused" for provider in stack.PROVIDERS}
    with stack.run_processes(
        names, state=folder, logs=folder / "logs", simulator=simulator, environment=given
    ) as running:
        yield running


def ask_service(running: stack.Stack, path: str, body: Any = None) -> Any:
    """The JSON that the API answers with."""
    asked = urllib.request.Request(
        f"http://127.0.0.1:{running.values['PORT']}/api/v1/{path}",
        data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {running.access['token']}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(asked, timeout=30) as answer:  # noqa: S310 - a loopback address
        return json.load(answer)


def create_flow(running: stack.Stack) -> str:
    """A new flow of a sample's repo."""
    body = {"repo": "compliance-service", "feature_request": "# Capital ratio\nCompute Basel I's ratio."}
    return str(ask_service(running, "flows/", body)["id"])


def measure_web() -> dict[str, float]:
    """A web process with followers and half-open connections."""
    with TemporaryDirectory(prefix="robust-") as folder, run_stack(["web"], Path(folder)) as running:
        # Nobody works here, so the flow stays as it is and its followers wait.
        flow = create_flow(running)
        figures = asyncio.run(_hold_connections(running, flow))
        rss = psutil.Process(running.running["web"].pid).memory_info().rss
        return figures | {"web_rss_mb": round(rss / 2**20, 1)}


async def _hold_connections(running: stack.Stack, flow: str) -> dict[str, float]:
    port = int(running.values["PORT"])
    follow = (
        f"GET /api/v1/flows/{flow}/events/ HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        f"Authorization: Bearer {running.access['token']}\r\n\r\n"
    )
    followers = [await _open(port, follow) for _ in range(FOLLOWERS)]
    following = sum([await _is_following(reader) for reader, _ in followers])
    # Opened last: their time for headers runs while /health is asked.
    half_open = [await _open(port, "GET /health HTTP/1.1\r\nX-Slow: ") for _ in range(HALF_OPEN)]
    times = sorted([await _time_health(port) for _ in range(ASKED)])
    held = [reader for reader, _ in half_open if not reader.at_eof()]
    lost = sum(reader.at_eof() for reader, _ in followers)
    for _, writer in (*followers, *half_open):
        writer.close()
    return {
        "followers_held": following - lost,
        "half_open_held": len(held),
        "health_p95_ms_under_both": round(times[int(0.95 * len(times))], 2),
    }


async def _time_health(port: int) -> float:
    """Milliseconds until ``/health`` has answered; infinite where it does not answer well."""
    began = time.perf_counter()
    reader, writer = await _open(port, "GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
    answer = await reader.read()
    writer.close()
    return 1000 * (time.perf_counter() - began) if answer.startswith(b"HTTP/1.1 200 ") else float("inf")


async def _open(port: int, sent: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent.encode())
    await writer.drain()
    return reader, writer


async def _is_following(reader: asyncio.StreamReader) -> bool:
    """Whether the first event has come and the stream is open."""
    head = await asyncio.wait_for(reader.readuntil(b"event: flow.created"), PATIENCE_SECONDS)
    return head.startswith(b"HTTP/1.1 200 ") and not reader.at_eof()


def measure_redaction() -> dict[str, float]:
    """The time for source and for the worst line; what leaks and what is hidden without need."""
    files = sorted(path for path in stack.ROOT.glob("orchestrator/**/*.py"))
    text = "".join(path.read_text(encoding="utf-8") for path in files)
    text = (text * (1 + SOURCE_BYTES // len(text)))[:SOURCE_BYTES]
    began = time.perf_counter()
    redact_file("a.py", text)
    seconds = time.perf_counter() - began
    worst = max(_time_line(seed) for seed in ADVERSARIAL)
    leaked = sum(secret in redact_file(path, line)[0] for path, line, secret in list_secrets())
    hidden = sum(redact_file(path, line)[1] > 0 for path, line in HARMLESS)
    return {
        "redaction_s_per_5mb": round(seconds * 5 * 2**20 / SOURCE_BYTES, 3),
        "redaction_worst_line_s": round(worst, 3),
        "secrets_leaked": leaked,
        "harmless_hidden": hidden,
    }


def _time_line(seed: str) -> float:
    began = time.perf_counter()
    redact_file("a.py", seed * (LINE_BYTES // len(seed)))
    return time.perf_counter() - began


def measure_stack() -> dict[str, float]:
    """The whole stack: its start, its rest, and a failover of Redis."""
    names = list(stack.read_procfile())
    with TemporaryDirectory(prefix="robust-") as folder:
        began = time.perf_counter()
        with run_stack(names, Path(folder)) as running:
            figures = {"stack_start_s": round(time.perf_counter() - began, 2)}
            figures["idle_statements_per_s"] = _count_statements(running)
            figures["stack_pss_mb"] = _sum_memory(running)
            figures["redis_failover_recovery_s"] = _fail_over(running)
            figures["unexpected_exits"] = sum(child.poll() is not None for child in running.running.values())
            return figures


def _count_statements(running: stack.Stack) -> float:
    """Transactions a second at rest; nearly every statement of the stack is one of its own."""
    query = "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database()"
    with psycopg.connect(running.values["DATABASE_URL"], autocommit=True) as observer:
        counts = []
        for _ in range(2):
            time.sleep(REST_SECONDS)
            observer.execute("SELECT pg_stat_clear_snapshot()")
            row = observer.execute(query).fetchone()
            counts.append(0 if row is None else int(row[0]))
        return round((counts[1] - counts[0]) / REST_SECONDS, 1)


def _sum_memory(running: stack.Stack) -> float:
    """Proportional set size of all Python processes of the stack, in MB: shared pages count once."""
    found = 0
    processes = [child.pid for child in running.running.values()]
    if running.zygote is not None:
        processes.append(running.zygote.process.pid)
    for pid in processes:
        family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
        found += sum(process.memory_full_info().pss for process in family)
    return round(found / 2**20, 1)


def _fail_over(running: stack.Stack) -> float:
    """Seconds from the end of a failover until a worker begins a stage that was sent during it."""
    with redis.Redis.from_url(running.values["REDIS_URL"]) as broker:
        broker.execute_command("REPLICAOF", "127.0.0.1", "1")
        time.sleep(FAILOVER_SECONDS)
        flow = create_flow(running)
        broker.execute_command("REPLICAOF", "NO", "ONE")
    began = time.perf_counter()
    while ask_service(running, f"flows/{flow}/")["stages"][0]["started_at"] is None:
        if time.perf_counter() - began > PATIENCE_SECONDS:
            return PATIENCE_SECONDS
        time.sleep(0.1)
    return round(time.perf_counter() - began, 2)


def main() -> int:
    """Measure, write, judge."""
    results = measure_web() | measure_redaction()
    # The stack takes minutes where the small form has seconds.
    if not SMALL:
        results |= measure_stack()
    write_results("robust", results)
    return judge_results(results, GOALS)


if __name__ == "__main__":
    sys.exit(main())
