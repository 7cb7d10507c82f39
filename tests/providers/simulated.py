"""A simulator as its users start it: a process of its own, steered over its control door."""

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Simulated:
    """The base URLs that the process printed."""

    urls: dict[str, str]

    def call(self, method: str, path: str = "", body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.urls["control"] + path, data, method=method)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    def behave(self, provider: str, *faults: dict[str, Any], latency: float = 0) -> None:
        self.call("PUT", provider, {"latency": latency, "faults": list(faults)})

    def reset(self) -> None:
        self.call("POST", "reset", {})

    def requests(self, provider: str) -> int:
        return int(self.call("GET")["counters"][provider].get("requests", 0))


@contextmanager
def started(*arguments: str) -> Iterator[Simulated]:
    command = [sys.executable, "-m", "providers.simulator", "--quiet", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT, text=True) as process:
        assert process.stdout is not None
        try:
            yield Simulated(json.loads(process.stdout.readline()))
        finally:
            process.terminate()
            process.wait(timeout=10)
