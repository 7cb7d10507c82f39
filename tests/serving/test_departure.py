"""A real web process gets SIGTERM while a proxy that asks for ``/ready`` makes many connections."""

import http.client
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from string import Template

import pytest

from orchestrator import child_processes
from orchestrator.dev import embedded, stack
from orchestrator.dev.probes import is_answering
from tests.databases import url_of_test_database
from tests.serving.server import until

pytestmark = pytest.mark.django_db(transaction=True)


class AskingProxy:
    """Sends each request over a connection of its own, as long as the last answer to ``/ready`` was a yes."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.answered, self.lost = 0, 0
        self.is_ready, self.stopped = True, False
        self.told = 200
        self._threads = [threading.Thread(target=self._send, daemon=True) for _ in range(3)]
        self._threads.append(threading.Thread(target=self._ask, daemon=True))

    def start(self) -> None:
        for one in self._threads:
            one.start()

    def stop(self) -> None:
        self.stopped = True
        for one in self._threads:
            one.join(10)

    def get(self, path: str) -> int:
        """The status of an answer; 0 where there is none."""
        asked = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            asked.request("GET", path)
            return asked.getresponse().status
        except (OSError, http.client.HTTPException):
            return 0
        finally:
            asked.close()

    def _send(self) -> None:
        while self.is_ready and not self.stopped:
            if self.get("/health") == 200:
                self.answered += 1
            else:
                self.lost += 1

    def _ask(self) -> None:
        while not self.stopped:
            self.told = self.get("/ready")
            self.is_ready = self.told == 200
            if not self.is_ready:
                return
            time.sleep(0.1)


@contextmanager
def run_web(folder: Path, **settings: str) -> Iterator[tuple[int, int]]:
    """A web process by its line of the Procfile; its port and its id."""
    port = embedded.find_free_port()
    values = {"HOST": "127.0.0.1", "PORT": str(port)}
    command = Template(stack.read_procfile()["web"]).substitute(values).split()
    environment = os.environ | {"DATABASE_URL": url_of_test_database(), "PYTHONPATH": str(stack.ROOT)}
    with (folder / "log").open("wb") as log:
        web = child_processes.start(
            [sys.executable, *command[1:]], environment=environment | settings, output=log, cwd=stack.ROOT
        )
    try:
        until(lambda: is_answering(f"http://127.0.0.1:{port}/health"))
        yield port, web.pid
        web.wait(20)
    finally:
        child_processes.stop(web)


def is_closed(port: int) -> bool:
    """Whether a connection gets no answer."""
    return AskingProxy(port).get("/health") == 0


def test_a_proxy_that_asks_first_loses_no_connection(tmp_path):
    with run_web(tmp_path, TRUSTED_PROXIES="127.0.0.1") as (port, pid):
        proxy = AskingProxy(port)
        proxy.start()
        until(lambda: proxy.answered > 20)
        os.kill(pid, signal.SIGTERM)
        until(lambda: not proxy.is_ready)
        proxy.stop()
        # An answer, and not a closed door.
        assert proxy.told == 503
        assert proxy.lost == 0


def test_nobody_waits_where_there_is_no_proxy_or_where_it_is_asked_twice(tmp_path):
    for proxies, signals in (("", 1), ("127.0.0.1", 2)):
        with run_web(tmp_path, TRUSTED_PROXIES=proxies) as (port, pid):
            for _ in range(signals):
                os.kill(pid, signal.SIGTERM)
                time.sleep(0.1)
            until(partial(is_closed, port))
