"""Clients of the rolling update: they submit flows, read, and follow, all of it through the proxy.

None of them is gentle: what is answered 5xx counts at once, and so does a connection that breaks before its
answer. Only a follower may lose its connection: it comes back by ``Last-Event-ID``.
"""

import contextlib
import http.client
import json
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

TERMINAL = frozenset({"flow.passed", "flow.failed", "flow.cancelled"})
FOLLOW_SECONDS = 300.0


@dataclass
class Counts:
    """What the clients have seen, together."""

    statuses: Counter[int] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)
    served_by: dict[str, float] = field(default_factory=dict)
    """For each address behind the proxy, when it first answered a client, by the machine's clock."""
    refused: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, asked: str, status: int, served_by: str, body: bytes = b"") -> None:
        """Count an answer to what was ``asked``."""
        with self.lock:
            self.statuses[status] += 1
            self.served_by.setdefault(served_by, time.time())
            if status >= 400:
                moment = time.strftime("%H:%M:%S")
                self.refused.append(f"{moment} {asked}: {status} {served_by} {body[:200]!r}")

    def add_broken(self, what: str) -> None:
        """Count a request that got no answer."""
        with self.lock:
            self.broken.append(what)


class CountingClient:
    """Requests to one address, each counted; a connection is kept as long as the proxy keeps it."""

    def __init__(self, port: int, token: str, counts: Counts) -> None:
        self._port, self._counts = port, counts
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, bytes]:
        """The status and the body of an answer; 0 where there was none."""
        sent = None if body is None else json.dumps(body)
        try:
            self._connection.request(method, path, sent, self._headers | headers)
            answer = self._connection.getresponse()
            read = answer.read()
        except (OSError, http.client.HTTPException) as error:
            self._counts.add_broken(f"{method} {path}: {type(error).__name__} {error}")
            self._connection.close()
            return 0, b""
        served_by = answer.headers.get("X-Served-By", "")
        self._counts.add(f"{method} {path}", answer.status, served_by, read)
        return answer.status, read


@dataclass
class Follower:
    """One follower of a flow, and what it has seen."""

    flow: str
    port: int
    token: str
    counts: Counts
    seen: list[int] = field(default_factory=list)
    ended: bool = False
    connections: int = 0

    def run(self) -> None:
        """Follow until the flow has ended; come back after each cut."""
        end = time.monotonic() + FOLLOW_SECONDS
        while not self.ended and time.monotonic() < end:
            self.connections += 1
            # After a cut, what counts is whether the next connection continues where this one stopped.
            with contextlib.suppress(OSError, http.client.HTTPException):
                self._read_stream()
            if not self.ended:
                time.sleep(0.2)

    def _read_stream(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        headers = {"Authorization": f"Bearer {self.token}", "Accept": "text/event-stream"}
        if self.seen:
            headers["Last-Event-ID"] = str(self.seen[-1])
        try:
            connection.request("GET", f"/api/v1/flows/{self.flow}/events/", headers=headers)
            answer = connection.getresponse()
            self.counts.add("follow", answer.status, answer.headers.get("X-Served-By", ""))
            kind = ""
            while answer.status == 200 and (line := answer.readline()):
                word, _, value = line.decode().strip().partition(": ")
                if word == "id":
                    self.seen.append(int(value))
                elif word == "event":
                    kind = value
                    self.ended = self.ended or kind in TERMINAL
                if kind == "end":
                    return
        finally:
            connection.close()


@dataclass
class Load:
    """Submits flows so that about ``window`` are under way, reads all the time, and follows some of them."""

    port: int
    exporter_port: int
    token: str
    repos: tuple[str, ...]
    flow_type: str
    window: int
    count_under_way: Callable[[], int]
    followed_every: int = 10
    counts: Counts = field(default_factory=Counts)
    flows: list[str] = field(default_factory=list)
    followers: list[Follower] = field(default_factory=list)
    under_way: int = 0
    least: int = 0
    """The fewest that were under way since the window was full for the first time."""
    _full: bool = False
    _threads: list[threading.Thread] = field(default_factory=list)
    _ended: threading.Event = field(default_factory=threading.Event)

    def begin(self) -> None:
        """Start the clients."""
        for work in (self._submit, self._submit, self._read, self._read, self._scrape):
            self._start(work)

    def stop_submitting(self) -> None:
        """End the clients; followers stay until their flows have ended."""
        self._ended.set()
        for thread in self._threads:
            thread.join(FOLLOW_SECONDS)

    def _start(self, work: Any) -> None:
        thread = threading.Thread(target=work, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _submit(self) -> None:
        client = CountingClient(self.port, self.token, self.counts)
        counted = 0.0
        while not self._ended.is_set():
            if time.monotonic() > counted + 0.1:
                self._count()
                counted = time.monotonic()
            if self.under_way >= self.window:
                self._ended.wait(0.05)
                continue
            number = len(self.flows)
            body = {
                "repo": self.repos[number % len(self.repos)],
                "feature_request": f"# Flow {number}\n\nNothing to do.\n",
                "flow_type": self.flow_type,
            }
            status, read = client.ask("POST", "/api/v1/flows/", body, **{"Idempotency-Key": uuid.uuid4().hex})
            if status != 202:
                continue
            flow = json.loads(read)["id"]
            with self.counts.lock:
                self.flows.append(flow)
                self.under_way += 1
            if number % self.followed_every == 0:
                follower = Follower(flow, self.port, self.token, self.counts)
                self.followers.append(follower)
                self._start(follower.run)

    def _count(self) -> None:
        found = self.count_under_way()
        with self.counts.lock:
            self.under_way = found
            self.least = min(self.least, found) if self._full else found
            self._full = self._full or found >= 0.95 * self.window

    def _read(self) -> None:
        client, number = CountingClient(self.port, self.token, self.counts), 0
        while not self._ended.wait(0.05):
            number += 1
            # Not /ready: it is for the proxy, and a process that is about to leave says no there on purpose.
            paths = ["/api/v1/flows/?limit=10", "/health", "/status/"]
            if self.flows:
                paths.append(f"/api/v1/flows/{self.flows[-1]}/")
            client.ask("GET", paths[number % len(paths)])

    def _scrape(self) -> None:
        client = CountingClient(self.exporter_port, self.token, self.counts)
        while not self._ended.wait(1.0):
            client.ask("GET", "/metrics")
