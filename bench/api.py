"""``python -m bench api``: create, read and list flows over REST with a million flows stored.

A web process as the Procfile starts it answers 32 clients. Beside the API it has a bare view, which reads one
row and writes it as JSON: what Django, the server and the database cost by themselves. All kinds of requests
are mixed, so that what else the machine does falls on each; then lists and the bare view are asked alone.
Before that, every command of the command line is started (``bench.cli_start``).
Writes ``results/api.json``, and keeps what other benchmarks have written there.
"""

import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

from bench import engine_arms as arms
from bench.api_service import STATEMENTS
from bench.cli_start import measure_starts
from bench.goals import Goals, at_most, find_results_file, judge_results, write_results
from bench.private_postgres import read_server_version, run_durable_postgres
from bench.scale import choose_size
from orchestrator import child_processes
from orchestrator.dev import embedded

GOALS: Final[Goals] = {
    "create_p95_vs_bare_view": at_most(3),
    "read_p95_vs_bare_view": at_most(3),
    "list_p95_vs_bare_view": at_most(3),
    "queries_grow_with_flows": at_most(0, exact=True),
    "cli_start_cpu_s_max": at_most(0.3),
}
FLOWS: Final = choose_size(1_000_000, 300)
FEW_FLOWS: Final = choose_size(1_000, 60)
CLIENTS: Final = choose_size(32, 4)
REQUESTS: Final = choose_size(40, 6)
"""Of each kind, from each client."""
KINDS: Final = ("create", "read", "list", "bare")
START_SECONDS: Final = 60.0
_LIMITS: Final = {
    # What a repo and a token may do is not what is measured here.
    "REPO_FLOWS_PER_MINUTE": "10000",
    "REPO_OPEN_FLOWS": "10000",
    "API_REQUESTS_PER_MINUTE": "10000000",
    "LOG_LEVEL": "ERROR",
    **{f"{name}_API_KEY": "unused" for name in ("ANTHROPIC", "OPENAI", "GOOGLE")},
}


class Service:
    """A running web process with flows stored, and how it is asked."""

    def __init__(self, port: int, seeded: dict[str, str]) -> None:
        self.port, self._seeded = port, seeded

    def compose(self, kind: str) -> bytes:
        """The request of that kind."""
        flow = self._seeded["flow"]
        body = b""
        match kind:
            case "create":
                asked = {"repo": self._seeded["repo"], "feature_request": "# Ratio\nCompute it."}
                line, body = "POST /api/v1/flows/", json.dumps(asked).encode()
            case "read":
                line = f"GET /api/v1/flows/{flow}/"
            case "list":
                line = f"GET /api/v1/flows/?repo={self._seeded['repo']}&limit=20"
            case _:
                line = f"GET /bare/{flow}/"
        head = (
            f"{line} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {self._seeded['token']}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body


@contextmanager
def run_service(servers: arms.Servers, flows: int) -> Iterator[Service]:
    """Store ``flows`` flows in a database of their own, and serve them."""
    url = servers.require_migrated_database(f"api_{flows}")
    port = embedded.find_free_port()
    environment = arms.compose_environment(servers, url, PORT=str(port), **_LIMITS)
    seed = [sys.executable, "-m", "bench.api_seed", str(flows)]
    said = subprocess.run(seed, env=environment, cwd=arms.BENCH.parent, check=True, stdout=subprocess.PIPE)
    seeded: dict[str, str] = json.loads(said.stdout.splitlines()[-1])
    with (servers.logs / f"api_{flows}.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "bench.api_service"],
            env=environment,
            cwd=arms.BENCH.parent,
            stdout=log,
            stderr=log,
        )
    try:
        asyncio.run(_wait_until_ready(port, process))
        yield Service(port, seeded)
    finally:
        child_processes.stop(process, grace_seconds=arms.GRACE_SECONDS)


async def _wait_until_ready(port: int, process: "subprocess.Popen[bytes]") -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except ConnectionError:
            await asyncio.sleep(0.1)
            continue
        writer.close()
        return
    raise RuntimeError("The web process did not start.")


async def _ask(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes
) -> tuple[float, int]:
    """Seconds until the whole answer is there, and the statements that it took."""
    began = time.perf_counter()
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    lines = head.decode("latin1").split("\r\n")
    fields = dict(line.lower().split(": ", 1) for line in lines[1:] if line)
    await reader.readexactly(int(fields["content-length"]))
    took = time.perf_counter() - began
    if not lines[0].startswith("HTTP/1.1 2"):
        raise RuntimeError(lines[0])
    return took, int(fields[STATEMENTS.lower()])


async def ask_service(service: Service, kinds: tuple[str, ...], requests: int) -> dict[str, Any]:
    """Seconds and statements by kind: every client sends ``requests`` of each, in turn."""
    seconds: dict[str, list[float]] = defaultdict(list)
    statements: dict[str, Counter[int]] = defaultdict(Counter)

    async def work(first: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
        for number in range(requests * len(kinds)):
            # Clients begin with different kinds, so that no kind comes in waves.
            kind = kinds[(number + first) % len(kinds)]
            took, sent = await _ask(reader, writer, service.compose(kind))
            seconds[kind].append(took)
            statements[kind][sent] += 1
        writer.close()

    await asyncio.gather(*(work(client) for client in range(CLIENTS)))
    return {"seconds": seconds, "statements": statements}


def find_p95(values: list[float]) -> float:
    """The 95th percentile."""
    return statistics.quantiles(values, n=20)[-1]


def find_usual(statements: Counter[int]) -> int:
    """How many statements most requests of a kind have sent."""
    return statements.most_common(1)[0][0]


def measure_api(servers: arms.Servers) -> dict[str, Any]:
    """The figures of few flows and of many."""
    with run_service(servers, FEW_FLOWS) as service:
        few = asyncio.run(ask_service(service, KINDS, max(3, REQUESTS // 10)))
    with run_service(servers, FLOWS) as service:
        asyncio.run(ask_service(service, KINDS, max(3, REQUESTS // 10)))
        mixed = asyncio.run(ask_service(service, KINDS, REQUESTS))
        alone = {kind: asyncio.run(ask_service(service, (kind,), REQUESTS)) for kind in ("list", "bare")}
    p95 = {kind: find_p95(mixed["seconds"][kind]) for kind in KINDS}
    # Once a minute, one request writes down that its token is used; what the others send must be the same.
    usual = {kind: find_usual(mixed["statements"][kind]) for kind in KINDS}
    grown = {kind: usual[kind] - find_usual(few["statements"][kind]) for kind in KINDS}
    alone_p95 = {kind: find_p95(found["seconds"][kind]) for kind, found in alone.items()}
    return {
        "flows": FLOWS,
        "clients": CLIENTS,
        **{f"{kind}_p95_ms": round(1000 * p95[kind], 1) for kind in KINDS},
        **{f"queries_per_{kind}": usual[kind] for kind in KINDS},
        **{
            f"{kind}_p95_vs_bare_view": round(p95[kind] / p95["bare"], 2)
            for kind in ("create", "read", "list")
        },
        "list_p95_vs_bare_view_alone": round(alone_p95["list"] / alone_p95["bare"], 2),
        "queries_grow_with_flows": max(grown.values()),
    }


def main() -> int:
    """Measure, write ``results/api.json``; 1 if a goal was missed."""
    kept = find_results_file("api")
    results: dict[str, Any] = {}
    if kept is not None and kept.exists():
        results = json.loads(kept.read_text(encoding="utf-8"))
    results |= measure_starts()
    with (
        run_durable_postgres() as server,
        embedded.run_valkey() as valkey,
        tempfile.TemporaryDirectory() as folder,
        closing(arms.Servers(server.url, valkey, Path(folder))) as servers,
    ):
        results |= measure_api(servers)
        results["postgresql"] = read_server_version(server.url)
    write_results("api", results)
    return judge_results(results, GOALS)


if __name__ == "__main__":
    raise SystemExit(main())
