"""Flows, submitted over REST as a client would that does not give up, and some of them cancelled."""

import http.client
import json
import random
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.stack import Stack

REPOS = ("chaos-a", "chaos-b", "chaos-c")
# Script, the status it has to end in, and its share of the traffic.
SCRIPTS = (
    ("", "passed", 56),
    ("judge: repair 1", "passed", 5),
    ("judge: repair 1\ncritic: repair 1", "passed", 4),
    ("critic: fail", "failed", 2),
    ("scribe: sleep 0.5", "passed", 3),
    ("judge: repair 9", "failed", 3),
    ("draft: park 0.5", "passed", 4),
    ("critic: flaky 2", "passed", 5),
    ("close: fail", "failed", 3),
    ("judge: sleep 0.5", "passed", 8),
    ("close: sleep 0.5", "passed", 7),
)
PATIENCE_SECONDS = 120.0


@dataclass
class Submitted:
    """What was asked for, and what the service has promised."""

    key: str
    title: str
    expected: str
    flow_id: str = ""
    version: int = 0
    cancelled: bool = False


@dataclass
class Traffic:
    """Submits and cancels in threads of its own. ``flows`` is what the service has accepted."""

    stack: Stack
    token: str
    chance: random.Random
    cancel_share: float = 0.06
    flows: list[Submitted] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._cancels: list[tuple[float, Submitted]] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._cancel_when_due, name="cancels", daemon=True)
        self._thread.start()

    def submit(self, count: int, script: str | None = None, *, cancel: bool = True) -> list[Submitted]:
        """Submit so many flows, each with a key of its own; returns when all are accepted."""
        made = []
        for _ in range(count):
            text, expected, _ = self.chance.choices(SCRIPTS, weights=[share for *_, share in SCRIPTS])[0]
            if script is not None:
                text, expected = script, "passed"
            one = Submitted(uuid.UUID(int=self.chance.getrandbits(128)).hex, "", expected)
            one.title = f"c{one.key[:12]}"
            body = {
                "repo": self.chance.choice(REPOS),
                "feature_request": f"# {one.title}\n\n{text}\n",
                "flow_type": "chaos",
            }
            answer = self._insist("POST", "/api/v1/flows/", body, one.key, lambda status: status == 202)
            if answer is None:
                continue
            one.flow_id = answer["id"]
            with self._lock:
                self.flows.append(one)
                if cancel and self.chance.random() < self.cancel_share:
                    self._cancels.append((time.monotonic() + self.chance.uniform(0, 1.5), one))
            made.append(one)
        return made

    def cancel(self, one: Submitted) -> None:
        """Cancel a flow, insisting until the service says yes or that it has ended."""
        answer = self._insist(
            "POST", f"/api/v1/flows/{one.flow_id}/cancel/", None, None, lambda status: status in {200, 409}
        )
        one.cancelled = bool(answer and answer.get("status") == "cancelled")

    def stop(self) -> None:
        """Finish what is due and end the thread."""
        self._ended.set()
        self._thread.join()

    def _cancel_when_due(self) -> None:
        while not self._ended.wait(0.05) or self._cancels:
            with self._lock:
                due = [
                    entry for entry in self._cancels if entry[0] <= time.monotonic() or self._ended.is_set()
                ]
                self._cancels = [entry for entry in self._cancels if entry not in due]
            for _, one in due:
                self.cancel(one)

    def _insist(
        self, method: str, path: str, body: Any, key: str | None, good: Callable[[int], bool]
    ) -> dict[str, Any] | None:
        end, last = time.monotonic() + PATIENCE_SECONDS, ""
        while time.monotonic() < end:
            try:
                status, answer = self._ask(method, path, body, key)
            except (OSError, http.client.HTTPException, ValueError) as error:
                last = type(error).__name__
            else:
                if good(status):
                    return answer
                last = f"{status} {str(answer)[:200]}"
                if status in {400, 401, 403, 404, 409, 413, 422}:
                    break
            time.sleep(0.2)
        self.errors.append(f"{method} {path}: {last}")
        return None

    def _ask(self, method: str, path: str, body: Any, key: str | None) -> tuple[int, dict[str, Any]]:
        connection = http.client.HTTPConnection("127.0.0.1", self.stack.port, timeout=15)
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        if key:
            headers["Idempotency-Key"] = key
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read() or b"{}")
        finally:
            connection.close()
