"""An exchange that waits for its answer ends when somebody else breaks it off."""

import contextlib
import socket
import threading

import pytest

from providers.abort import Abort, Aborted, allow_abort
from providers.adapters.anthropic import AnthropicAdapter
from providers.adapters.google_genai import GoogleAdapter
from providers.adapters.openai import OpenAIAdapter
from providers.base import ProviderError, Request

VENDORS = pytest.mark.parametrize(
    ("adapter", "model"),
    [(AnthropicAdapter, "claude-sonnet-4-5"), (OpenAIAdapter, "gpt-4.1"), (GoogleAdapter, "gemini-2.5-pro")],
    ids=["anthropic", "openai", "google"],
)


@pytest.fixture
def silent():
    """A server that takes a request and never answers: its address, and an event set by the request."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        asked, ended = threading.Event(), threading.Event()

        def serve() -> None:
            with contextlib.suppress(OSError), server.accept()[0] as connection:
                connection.recv(65536)
                asked.set()
                ended.wait()

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/", asked
        ended.set()
        socket.create_connection(server.getsockname()).close()  # it may still wait for somebody
        thread.join()


def call(made, model: str, url: str, abort: Abort, errors: list[BaseException]) -> None:
    adapter = made("no-key", url)
    with allow_abort(abort):
        try:
            adapter.complete(Request(model, "s", "p", max_output_tokens=10, timeout_seconds=600))
        except (Aborted, ProviderError) as error:
            errors.append(error)
    adapter.close()


@VENDORS
def test_a_waiting_call_is_broken_off(silent, adapter, model):
    url, asked = silent
    abort = Abort()
    errors: list[BaseException] = []
    waiting = threading.Thread(target=call, args=(adapter, model, url, abort, errors))
    waiting.start()
    assert asked.wait(30)
    abort.now()
    waiting.join(30)
    assert not waiting.is_alive()
    assert [type(error) for error in errors] == [Aborted]


@VENDORS
def test_a_call_broken_off_beforehand_waits_for_nothing(silent, adapter, model):
    url, _ = silent
    abort = Abort()
    errors: list[BaseException] = []
    abort.now()
    call(adapter, model, url, abort, errors)
    assert [type(error) for error in errors] == [Aborted]
