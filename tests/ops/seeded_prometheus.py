"""A real Prometheus that has the metrics of a seeded deployment, as a day of samples."""

import json
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2

from orchestrator.dev.ops_tools import OpsTools
from orchestrator.ops.observability.metrics import OrchestratorCollector
from tests.ops.history import tell_deployment

HOURS, STEP_SECONDS = 26, 900
PATIENCE_SECONDS = 60.0


def write_open_metrics(path: Path, end: int) -> None:
    """What the exporter says now as a day of samples: counters that grew evenly, gauges that stayed."""
    moments = range(end - HOURS * 3600, end + 1, STEP_SECONDS)
    lines = []
    for family in OrchestratorCollector().collect():
        for sample in family.samples:
            labels = ",".join(f"{name}={json.dumps(value)}" for name, value in sample.labels.items())
            grows = family.type in {"counter", "unknown", "histogram", "summary"}
            for place, moment in enumerate(moments):
                value = sample.value * place / (len(moments) - 1) if grows else sample.value
                lines.append(f"{sample.name}{{{labels}}} {value} {moment}")
    path.write_text("\n".join([*lines, "# EOF", ""]))


class Prometheus:
    """A running server, and when its data ends."""

    def __init__(self, url: str, end: int) -> None:
        self.url, self.end = url, end

    def ask(self, expr: str) -> list[tuple[dict[str, str], float]]:
        """The labels and values of an instant query at the end."""
        answer = httpx2.get(f"{self.url}/api/v1/query", params={"query": expr, "time": self.end}).json()
        assert answer["status"] == "success", answer
        return [(one["metric"], float(one["value"][1])) for one in answer["data"]["result"]]


@contextmanager
def run_seeded_prometheus(tools: OpsTools, folder: Path) -> Iterator[Prometheus]:
    """Seed the deployment, write its metrics as blocks of Prometheus, and serve them."""
    tell_deployment()
    # Whole steps, so that a window of a day begins and ends with a sample.
    end = int(time.time()) // STEP_SECONDS * STEP_SECONDS
    seed = folder / "seed.om"
    write_open_metrics(seed, end)
    data = folder / "data"
    subprocess.run(
        [tools.promtool, "tsdb", "create-blocks-from", "openmetrics", str(seed), str(data)],
        check=True,
        capture_output=True,
    )
    (folder / "prometheus.yml").write_text("{}")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        tools.prometheus,
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={data}",
        # Blocks that end today are not to be compacted, and those of yesterday not to be dropped.
        "--storage.tsdb.retention.time=10y",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            wait_until_ready(f"http://127.0.0.1:{port}/-/ready", folder / "log")
            yield Prometheus(f"http://127.0.0.1:{port}", end)
        finally:
            server.terminate()
            server.wait()


def wait_until_ready(url: str, log: Path) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until:
        try:
            if httpx2.get(url).is_success:
                return
        except httpx2.HTTPError:
            pass
        time.sleep(0.1)
    raise AssertionError(log.read_text())
