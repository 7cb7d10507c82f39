"""A receiver of webhooks on loopback that is slow, silent, endless or rude, as a test asks."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


def _make_set_event() -> threading.Event:
    event = threading.Event()
    event.set()
    return event


@dataclass
class Receiver:
    """Answers ``answer`` once ``may_answer`` is set, byte by byte with ``pause`` seconds between, if any."""

    port: int = 0
    answer: bytes = b"HTTP/1.1 204 No Content\r\n\r\n"
    pause: float = 0.0
    may_answer: threading.Event = field(default_factory=_make_set_event)
    endless: bytes = b""
    requests: list[bytes] = field(default_factory=list)
    sent_bytes: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"


def _read_request(client: socket.socket) -> bytes:
    whole = b""
    while b"\r\n\r\n" not in whole:
        whole += client.recv(65536)
    head, _, body = whole.partition(b"\r\n\r\n")
    length = next(
        int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")
    )
    while len(body) < length:
        body += client.recv(65536)
    return head + b"\r\n\r\n" + body


def _serve_one(receiver: Receiver, client: socket.socket) -> None:
    with client:
        client.settimeout(20)
        try:
            receiver.requests.append(_read_request(client))
            receiver.may_answer.wait(20)
            if receiver.pause:
                for number in range(len(receiver.answer)):
                    client.sendall(receiver.answer[number : number + 1])
                    time.sleep(receiver.pause)
                return
            client.sendall(receiver.answer)
            while receiver.endless:
                client.sendall(receiver.endless)
                receiver.sent_bytes += len(receiver.endless)
        except OSError:
            # The sender has left, which is what most of these tests want.
            return


@contextmanager
def run_receiver(**how: object) -> Iterator[Receiver]:
    """A receiver on a free port."""
    listener = socket.create_server(("127.0.0.1", 0))
    receiver = Receiver(port=listener.getsockname()[1], **how)  # type: ignore[arg-type]

    def accept() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=_serve_one, args=(receiver, client), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()
