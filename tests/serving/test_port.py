"""A web process that is killed leaves its port at once: the next one must not wait for it."""

import os
import signal
import socket
import sys
from string import Template

import pytest

from orchestrator import child_processes
from orchestrator.dev import embedded, stack
from orchestrator.dev.probes import is_answering
from orchestrator.flows.models import FlowEvent
from orchestrator.repos import tokens
from tests import scenes
from tests.databases import url_of_test_database
from tests.serving.server import until


@pytest.mark.django_db(transaction=True)
def test_a_killed_web_process_leaves_its_port_although_clients_stay(tmp_path) -> None:
    flow = scenes.make_flow()
    _, secret = tokens.create_token("t", flow.repo)
    port = embedded.find_free_port()
    values = {"HOST": "127.0.0.1", "PORT": str(port)}
    command = Template(stack.read_procfile()["web"]).substitute(values).split()
    environment = os.environ | {"DATABASE_URL": url_of_test_database(), "PYTHONPATH": str(stack.ROOT)}
    with (tmp_path / "log").open("wb") as log:
        web = child_processes.start(
            [sys.executable, *command[1:]], environment=environment, output=log, cwd=stack.ROOT
        )
    clients = []

    def ask(path: str, *headers: str) -> socket.socket:
        client = socket.create_connection(("127.0.0.1", port), timeout=20)
        clients.append(client)
        client.sendall("\r\n".join((f"GET {path} HTTP/1.1", "Host: 127.0.0.1", *headers)).encode())
        return client

    try:
        until(lambda: is_answering(f"http://127.0.0.1:{port}/health"))
        follower = ask(f"/api/v1/flows/{flow.id}/events/", f"Authorization: Bearer {secret}", "", "")
        assert b"200 OK" in follower.recv(65536)
        for _ in range(20):
            ask("/health")
        FlowEvent.objects.create(flow=flow, kind="flow.paused")
        os.kill(web.pid, signal.SIGKILL)
        web.wait(10)
        # Fails where any process still listens, as the children of a killed master would.
        socket.create_server(("127.0.0.1", port)).close()
    finally:
        child_processes.stop(web)
        for client in clients:
            client.close()
