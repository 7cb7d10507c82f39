"""What a model thinks before its answer is billed, and does not come over the wire: of an answer that breaks
off, or that nobody counted, it is charged by the time in which nothing came.
"""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from providers import registry
from providers.base import ConnectionCut, Request, TimedOut
from providers.calls import Caller, call_model
from providers.models import ProviderCall
from tests.providers.limits.conftest import Clock
from tests.providers.wire.odd_rows import events
from tests.providers.wire.rows import GEMINI, WireRow
from tests.providers.wire.server import COUNTED, RowServer

pytestmark = pytest.mark.django_db
THINKING = {
    "anthropic": "claude-sonnet-5-5",
    "openai": "gpt-5.6-sol",
    "google": "gemini-3.8-flash",
}
NOT_THINKING = {"anthropic": "claude-haiku-4-5", "openai": "gpt-4.1", "google": "gemini-2.0-flash"}
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"
SILENCE = 0.4
# At 200 tokens a second; the machine may take longer, and never less.
LEAST = int(SILENCE * 200)
LATER_SILENCE = 3.0
CEILING = 5000
CALLER = Caller(repo="r", stage_id=7, stage_kind="plan")


@pytest.fixture(scope="module")
def server() -> Iterator[RowServer]:
    registry.close_adapters()
    with RowServer() as running:
        yield running
        registry.close_adapters()


@pytest.fixture
def vendors(server: RowServer, settings: Any, clock: Clock) -> RowServer:
    settings.PROVIDERS = {
        name: options | {"api_key": "k", "base_url": server.url + ("/v1" if name == "openai" else "")}
        for name, options in settings.PROVIDERS.items()
    }
    server.countable, server.counts, server.asked = True, 0, []
    return server


def ask(model: str, **changes: Any) -> Request:
    request = Request(model, "s", "p" * 4000, max_output_tokens=CEILING, timeout_seconds=20)
    return replace(request, **changes)


def charged_output() -> int:
    """The output tokens that the one call of unknown use is charged."""
    call = ProviderCall.objects.get()
    assert (call.status, call.usage_source) == ("unknown", "counted")
    return call.reserved_tokens - (COUNTED + COUNTED // 50 + 64)


def cut(vendors: RowServer, provider: str, request: Request, *parts: bytes | float) -> None:
    vendors.row = WireRow("cut", provider, raw=(HEAD, *parts))
    with pytest.raises(ConnectionCut):
        call_model(provider, request, CALLER)


def piece(provider: str, model: str, text: str) -> bytes:
    """An event with a text."""
    if provider == "google":
        chunk: dict[str, Any] = {"candidates": [{"content": {"parts": [{"text": text}]}}]}
    elif provider == "anthropic":
        chunk = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}}
    elif model.startswith("gpt-4"):
        chunk = {"choices": [{"index": 0, "delta": {"content": text}}]}
    else:
        chunk = {"type": "response.output_text.delta", "delta": text}
    name = f"event: {chunk['type']}\n" if "type" in chunk else ""
    return f"{name}data: {json.dumps(chunk)}\n\n".encode()


@pytest.mark.parametrize("provider", THINKING)
def test_silence_before_a_cut_is_charged_as_thinking(vendors: RowServer, provider: str) -> None:
    cut(vendors, provider, ask(THINKING[provider]), SILENCE)
    assert LEAST <= charged_output() <= CEILING


@pytest.mark.parametrize("provider", THINKING)
def test_only_the_silence_before_the_text_counts(vendors: RowServer, provider: str) -> None:
    model = THINKING[provider]
    first, more = piece(provider, model, "word " * 40), piece(provider, model, "x")
    cut(vendors, provider, ask(model), SILENCE, first, LATER_SILENCE, more)
    # Forty words, and the thoughts; the pauses between the words are not thoughts.
    assert LEAST + 40 <= charged_output() < LEAST + int(LATER_SILENCE * 200)


@pytest.mark.parametrize("provider", NOT_THINKING)
def test_a_model_that_does_not_think_by_itself_is_charged_what_came(
    vendors: RowServer, provider: str
) -> None:
    model = NOT_THINKING[provider]
    cut(vendors, provider, ask(model), SILENCE, piece(provider, model, "word " * 40))
    assert 40 <= charged_output() <= 50


def test_no_model_is_charged_more_than_it_may_write(vendors: RowServer) -> None:
    cut(vendors, "anthropic", ask(THINKING["anthropic"], max_output_tokens=50), SILENCE)
    assert charged_output() == 50


def test_a_silence_that_is_too_long_is_charged_too(vendors: RowServer) -> None:
    vendors.row = WireRow("silent", "openai", raw=(HEAD, 3.0))
    with pytest.raises(TimedOut):
        call_model("openai", ask(THINKING["openai"], silence_seconds=SILENCE), CALLER)
    assert LEAST <= charged_output() < 3 * 200


def test_thoughts_that_gemini_has_counted_are_charged_as_counted(vendors: RowServer) -> None:
    used = {"promptTokenCount": 900, "candidatesTokenCount": 2, "thoughtsTokenCount": 333}
    chunk = {"candidates": [{"content": {"parts": [{"text": "hi"}]}}], "usageMetadata": used}
    cut(vendors, "google", ask(THINKING["google"]), SILENCE, f"data: {json.dumps(chunk)}\n\n".encode())
    call = ProviderCall.objects.get()
    assert (call.usage_source, call.reserved_tokens) == ("reported", 900 + 333 + 2)


@pytest.mark.parametrize(
    ("provider", "model", "event"),
    [
        ("openai", "gpt-4.1", {"choices": [{"index": 0, "delta": {"reasoning_content": "word " * 70}}]}),
        (
            "anthropic",
            "claude-haiku-4-5",
            {"type": "content_block_delta", "index": 0, "delta": {"thinking": "word " * 70}},
        ),
        (
            "google",
            "gemini-2.0-flash",
            {"candidates": [{"content": {"parts": [{"text": "word " * 70, "thought": True}]}}]},
        ),
    ],
)
def test_thoughts_that_are_shown_are_charged(
    vendors: RowServer, provider: str, model: str, event: dict[str, Any]
) -> None:
    name = f"event: {event['type']}\n" if "type" in event else ""
    cut(vendors, provider, ask(model), f"{name}data: {json.dumps(event)}\n\n".encode())
    assert 70 <= charged_output() <= 90


def test_thoughts_of_an_answer_without_usage_are_charged(vendors: RowServer) -> None:
    whole = {**GEMINI, "usageMetadata": None}
    vendors.row = WireRow("whole", "google", raw=(HEAD, SILENCE, f"data: {json.dumps(whole)}\n\n".encode()))
    call_model("google", ask(THINKING["google"]), CALLER)
    call = ProviderCall.objects.get()
    assert (call.status, call.usage_source, call.input_tokens) == ("settled", "counted", COUNTED)
    assert LEAST <= call.reasoning_tokens < CEILING
    assert call.output_tokens == 1


def test_an_answer_with_usage_is_charged_as_reported(vendors: RowServer) -> None:
    vendors.row = WireRow("whole", "google", raw=(HEAD, SILENCE, events("google").encode()))
    call_model("google", ask(THINKING["google"]), CALLER)
    call = ProviderCall.objects.get()
    assert (call.usage_source, call.input_tokens, call.output_tokens) == ("reported", 10, 5)
    assert call.reasoning_tokens == 0
