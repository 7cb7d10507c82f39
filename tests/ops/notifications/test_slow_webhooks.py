"""A receiver that never ends its answer holds up neither a worker for long nor more than a few of them."""

import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime

import pytest
from django.utils import timezone

from orchestrator.core.models import OutgoingEvent
from orchestrator.ops.notifications import delivery
from orchestrator.ops.notifications.models import Notification, NotificationStatus, Subscription
from orchestrator.ops.notifications.notifiers import webhook
from tests import scenes

DRIPS = {
    "nothing at all": b"",
    "headers by the byte": b"HTTP/1.1 200 OK\r\nX-Slow: ",
    "a body by the byte": b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n",
    "a body without end": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
}


class Tarpit:
    """A server that begins its answer and then drips."""

    def __init__(self, begins: bytes) -> None:
        self.begins, self.gone = begins, threading.Event()
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listening.getsockname()[1]}/hook"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=self._drip, args=(self.listening.accept()[0],), daemon=True).start()

    def _drip(self, client: socket.socket) -> None:
        with client, suppress(OSError):
            client.recv(65536)
            client.sendall(self.begins)
            while self.begins and not self.gone.wait(0.05):
                client.sendall(b"1\r\nx\r\n" if b"chunked" in self.begins else b"x")
            self.gone.wait(30)


@pytest.fixture(params=DRIPS)
def tarpit(request, settings) -> Iterator[Tarpit]:
    settings.CLONE_PRIVATE_HOSTS = frozenset({"127.0.0.1"})
    pit = Tarpit(DRIPS[request.param])
    yield pit
    pit.gone.set()
    pit.listening.close()


def write_message(repo: str, target: str = "http://127.0.0.1:1/hook") -> Notification:
    subscription = Subscription.objects.create(
        notifier="webhook", target=target, repo=scenes.make_repo(repo), topics=["flow.passed"]
    )
    made = delivery.notify_once(uuid.uuid4(), "webhook", target, "{}", subscription=subscription)
    assert made is not None
    return made


def test_an_answer_has_a_time_in_all(db, tarpit, monkeypatch) -> None:
    monkeypatch.setattr(webhook, "TIMEOUT_SECONDS", 0.5)
    message = write_message("slow", tarpit.url)
    began = time.monotonic()
    delivery.deliver(message.pk)
    assert time.monotonic() - began < 5
    message.refresh_from_db()
    # Whose status has come has got the message.
    came = NotificationStatus.SENT if b"\r\n\r\n" in tarpit.begins else NotificationStatus.WAITING
    assert message.status == came


def test_few_are_called_at_once_and_fewer_of_one_repo(db, settings) -> None:
    settings.WEBHOOKS_AT_ONCE = 4
    of_one = [write_message("slow") for _ in range(4)]
    assert [delivery._take(one.pk) is not None for one in of_one] == [True, True, False, False]
    waiting = OutgoingEvent.objects.get(payload={"notification": of_one[-1].pk})
    later = delivery.send_to_worker(waiting)
    assert isinstance(later, datetime)
    assert later > timezone.now()
    others = [write_message(f"other{number}") for number in range(3)]
    assert [delivery._take(one.pk) is not None for one in others] == [True, True, False]
    # One that ends makes room.
    ended = {"status": NotificationStatus.SENT, "sending_since": None, "sent_at": timezone.now()}
    Notification.objects.filter(pk=of_one[0].pk).update(**ended)
    assert delivery._take(others[-1].pk) is not None
