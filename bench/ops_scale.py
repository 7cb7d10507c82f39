"""What a scrape and the dashboards cost with 10 thousand flows and with a million: statements and seconds.

Two deployments on one server, each with its flows spread over 360 days, ten repos and four families. Their
rounds alternate, so that what else the machine does falls on both.
"""

import contextlib
import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import IO, Any

from bench import engine_arms as arms
from bench.private_postgres import Server
from bench.scale import choose_size

SMALL_FLOWS = choose_size(full=10_000, small=20)
LARGE_FLOWS = choose_size(full=1_000_000, small=60)
ROUNDS = choose_size(full=60, small=2)


class Deployment:
    """A driver with a database of its own."""

    def __init__(self, servers: arms.Servers, name: str, flows: int) -> None:
        url = servers.require_migrated_database(name)
        environment = arms.compose_environment(servers, url)
        self._log = servers.logs / f"{name}.log"
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "bench.ops_scale_driver", str(flows)],
                env=environment,
                cwd=arms.BENCH.parent,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
            )

    def read_answer(self) -> dict[str, Any]:
        """The next line of the driver; raises ``RuntimeError`` with its log where it has ended."""
        line = _pipe(self.process.stdout).readline()
        if not line:
            raise RuntimeError(self._log.read_text(errors="replace")[-3000:])
        answer: dict[str, Any] = json.loads(line)
        return answer

    def make_round(self) -> dict[str, dict[str, float]]:
        """One round of scrapes and pages."""
        _pipe(self.process.stdin).write(b"go\n")
        _pipe(self.process.stdin).flush()
        return self.read_answer()

    def close(self) -> None:
        """End the driver: it ends with its input."""
        _pipe(self.process.stdin).close()
        self.process.wait(timeout=30)


def measure_scale(server: Server, valkey: str, folder: Path) -> dict[str, Any]:
    """The figures of this part: ratios of the large deployment to the small one, and seconds of both."""
    servers = arms.Servers(server.url, valkey, folder)
    with (
        contextlib.closing(servers),
        contextlib.closing(Deployment(servers, "scale_small", SMALL_FLOWS)) as small,
        contextlib.closing(Deployment(servers, "scale_large", LARGE_FLOWS)) as large,
    ):
        small.read_answer()
        seeding = large.read_answer()
        rounds = [(small.make_round(), large.make_round()) for _ in range(ROUNDS)]
    names = list(rounds[0][0])
    ratios: dict[str, float] = {}
    found: dict[str, Any] = {}
    for name in names:
        few = find_p95([one[0][name]["seconds"] for one in rounds])
        many = find_p95([one[1][name]["seconds"] for one in rounds])
        ratios[name] = many / few
        found |= {f"scale_{name}_p95_ms_small": round(1000 * few, 1)}
        found |= {f"scale_{name}_p95_ms_large": round(1000 * many, 1)}
    statements = {
        name: max(one[1][name]["statements"] for one in rounds)
        / max(one[0][name]["statements"] for one in rounds)
        for name in names
    }
    pages = [name for name in names if name != "scrape"]
    return {
        **found,
        "scale_flows_small": SMALL_FLOWS,
        "scale_flows_large": LARGE_FLOWS,
        "scale_count_all_days_s": round(seeding["count_seconds"], 1),
        "scrape_queries_ratio": round(statements["scrape"], 3),
        "scrape_p95_ratio": round(ratios["scrape"], 2),
        "admin_queries_ratio": round(max(statements[name] for name in pages), 3),
        "admin_p95_ratio": round(max(ratios[name] for name in pages), 2),
    }


def find_p95(values: list[float]) -> float:
    """The 95th percentile."""
    return statistics.quantiles(values, n=20)[-1]


def _pipe(stream: IO[bytes] | None) -> IO[bytes]:
    assert stream is not None  # noqa: S101 - opened as a pipe above
    return stream
