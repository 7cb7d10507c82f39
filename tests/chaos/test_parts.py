"""The parts of the harness: a proxy that is silent without closing, a plan with each kind of fault."""

import contextlib
import random
import socket
import threading
from collections.abc import Iterator

import pytest

from tests.chaos import faults
from tests.chaos.invariants import answered
from tests.chaos.proxy import Proxy


@pytest.fixture
def echo() -> Iterator[tuple[str, int]]:
    """A server that says back what it hears."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                threading.Thread(target=talk, args=(connection,), daemon=True).start()

        def talk(connection: socket.socket) -> None:
            with connection, contextlib.suppress(ConnectionResetError):  # a cut reaches us too
                while data := connection.recv(100):
                    connection.sendall(data)

        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()
        server.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def proxy(echo) -> Iterator[Proxy]:
    """A proxy before it."""
    made = Proxy(echo).start()
    yield made
    made.stop()


def test_a_stalled_proxy_keeps_connections_and_says_nothing_until_it_flows_again(proxy):
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=10) as client:
        client.sendall(b"one")
        assert client.recv(10) == b"one"
        proxy.stall()
        client.sendall(b"two")
        client.settimeout(0.3)
        with pytest.raises(TimeoutError):
            client.recv(10)
        proxy.flow()
        client.settimeout(10)
        assert client.recv(10) == b"two"


def test_a_cut_resets_every_connection(proxy):
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=10) as client:
        client.sendall(b"one")
        assert client.recv(10) == b"one"
        proxy.cut()
        with pytest.raises(ConnectionResetError):
            client.recv(10)


def test_every_kind_of_fault_is_in_the_plan_and_a_seed_gives_the_same_plan_again():
    plan = faults.sequence(300, random.Random(7))
    assert len(plan) == 300
    assert set(plan) == set(faults.FAULTS)
    assert plan == faults.sequence(300, random.Random(7))


def test_answers_are_counted_by_stage_and_cut_ones_are_not(tmp_path):
    log = tmp_path / "simulator.log"
    line = (
        "now simulator SIMULATED provider='openai' model='m' stage='draft' round={} title='c1'"
        " fault='{}' status={} seconds=0.1\n"
    )
    log.write_text(
        line.format(1, "", 200)
        + line.format(1, "", 200)
        + line.format(2, "", 200)
        + line.format(1, "cut", 200)
    )
    assert answered(log) == {("c1", "draft", "1"): 2, ("c1", "draft", "2"): 1}
