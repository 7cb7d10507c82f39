"""Answers that come in pieces, and those that stop coming: over HTTP, through the vendors' own SDKs."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from providers import base, registry
from providers.abort import Abort, Aborted, allow_abort
from providers.base import Adapter, Request, StopReason, Usage

Serve = Callable[["Connection"], None]
VENDORS = ("anthropic", "chat", "responses", "google")
MODELS = {
    "anthropic": "claude-sonnet-5-5",
    "chat": "gpt-4.1",
    "responses": "gpt-5.6-sol",
    "google": "gemini-3.8-flash",
}
ADAPTERS = {
    "anthropic": "anthropic",
    "chat": "openai",
    "responses": "openai",
    "google": "google-genai",
}
TEXT = "Grüße, one\ntwo\n"


class Connection:
    """One request that is being answered, event by event."""

    def __init__(self, handler: BaseHTTPRequestHandler) -> None:
        self._handler = handler
        self.body: dict[str, Any] = json.loads(
            handler.rfile.read(int(handler.headers["Content-Length"])) or b"{}"
        )

    def start(self) -> None:
        self._handler.send_response(200)
        self._handler.send_header("Content-Type", "text/event-stream")
        self._handler.send_header("Transfer-Encoding", "chunked")
        self._handler.end_headers()

    def send_bytes(self, data: bytes) -> None:
        self._handler.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self._handler.wfile.flush()

    def send(self, *events: bytes) -> None:
        for event in events:
            self.send_bytes(event)

    def end(self) -> None:
        self._handler.wfile.write(b"0\r\n\r\n")
        self._handler.wfile.flush()

    def cut(self) -> None:
        """Close without the end that chunks promise."""
        self._handler.close_connection = True
        self._handler.connection.close()


class Line:
    """The vendors on loopback, who serve as the test of the moment says, and one adapter for each."""

    serve: Serve

    def __init__(self, root: str) -> None:
        self.adapters = {vendor: build(vendor, root) for vendor in VENDORS}

    def complete(self, vendor: str, serve: Serve, **changes: Any) -> base.Completion:
        Line.serve = serve
        return self.adapters[vendor].complete(replace(ask(vendor), **changes))

    def fail(
        self, vendor: str, serve: Serve, error: type[base.ProviderError], **changes: Any
    ) -> base.ProviderError:
        with pytest.raises(base.ProviderError) as caught:
            self.complete(vendor, serve, **changes)
        assert type(caught.value) is error, caught.value
        return caught.value


@pytest.fixture(scope="module")
def line() -> Iterator[Line]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            # Not through the class, which would make a method of it.
            vars(Line)["serve"](Connection(self))

        def log_message(self, format: str, *args: Any) -> None:
            """Quiet."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        # A connection that a test leaves hanging must not hold the end of the tests.
        block_on_close = False

        def handle_error(self, request: Any, client_address: Any) -> None:
            """Quiet: clients leave in the middle here."""

    with Server(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        made = Line(f"http://127.0.0.1:{server.server_port}")
        yield made
        for adapter in made.adapters.values():
            adapter.close()
        server.shutdown()


def event(data: dict[str, Any], name: str = "") -> bytes:
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {json.dumps(data, ensure_ascii=False)}\n\n".encode()


def opening(vendor: str) -> list[bytes]:
    """The first events, which bring no text; Anthropic's tells the input."""
    if vendor == "anthropic":
        message: dict[str, Any] = {
            "id": "m1",
            "type": "message",
            "role": "assistant",
            "content": [],
            "model": "claude-x",
            "stop_reason": None,
            "usage": {"input_tokens": 70, "output_tokens": 1},
        }
        block = {"type": "text", "text": ""}
        return [
            event({"type": "message_start", "message": message}, "message_start"),
            event({"type": "ping"}, "ping"),
            event({"type": "content_block_start", "index": 0, "content_block": block}, "content_block_start"),
        ]
    if vendor == "responses":
        response: dict[str, Any] = {
            "id": "r1",
            "model": "gpt-x",
            "status": "in_progress",
            "output": [],
            "usage": None,
        }
        return [event({"type": "response.created", "response": response}, "response.created")]
    return []


def piece(vendor: str, text: str) -> bytes:
    if vendor == "anthropic":
        delta = {"type": "text_delta", "text": text}
        return event({"type": "content_block_delta", "index": 0, "delta": delta}, "content_block_delta")
    if vendor == "responses":
        return event({"type": "response.output_text.delta", "delta": text}, "response.output_text.delta")
    if vendor == "chat":
        choice = {"index": 0, "delta": {"content": text}, "finish_reason": None}
        return event({"id": "c1", "model": "gpt-x", "choices": [choice], "usage": None})
    candidate = {"content": {"role": "model", "parts": [{"text": text}]}, "index": 0}
    return event({"candidates": [candidate], "modelVersion": "gemini-x", "responseId": "g1"})


def closing_events(vendor: str, text: str) -> list[bytes]:
    """The last events: the reason to stop, and the usage."""
    if vendor == "anthropic":
        delta = {"stop_reason": "end_turn", "stop_sequence": None}
        return [
            event({"type": "content_block_stop", "index": 0}, "content_block_stop"),
            event({"type": "message_delta", "delta": delta, "usage": {"output_tokens": 9}}, "message_delta"),
            event({"type": "message_stop"}, "message_stop"),
        ]
    if vendor == "responses":
        content = [{"type": "output_text", "text": text, "annotations": []}]
        response = {
            "id": "r1",
            "model": "gpt-x",
            "status": "completed",
            "output": [{"type": "reasoning"}, {"type": "message", "content": content}],
            "usage": {"input_tokens": 70, "output_tokens": 9},
        }
        return [event({"type": "response.completed", "response": response}, "response.completed")]
    if vendor == "chat":
        stop = {"index": 0, "delta": {}, "finish_reason": "stop"}
        used = {"prompt_tokens": 70, "completion_tokens": 9}
        return [
            event({"id": "c1", "model": "gpt-x", "choices": [stop], "usage": None}),
            event({"id": "c1", "model": "gpt-x", "choices": [], "usage": used}),
            b"data: [DONE]\n\n",
        ]
    candidate = {"content": {"role": "model", "parts": [{"text": ""}]}, "finishReason": "STOP"}
    used = {"promptTokenCount": 70, "candidatesTokenCount": 9, "totalTokenCount": 79}
    return [event({"candidates": [candidate], "usageMetadata": used, "modelVersion": "gemini-x"})]


def send_whole(connection: Connection, vendor: str) -> None:
    connection.start()
    connection.send(*opening(vendor), piece(vendor, TEXT[:7]), piece(vendor, TEXT[7:]))
    connection.send(*closing_events(vendor, TEXT))
    connection.end()


def build(vendor: str, root: str) -> Adapter:
    name = ADAPTERS[vendor]
    return registry.ADAPTERS.get(name)("k", f"{root}/v1" if name == "openai" else root)


def ask(vendor: str) -> Request:
    return Request(MODELS[vendor], "s", "p", max_output_tokens=100, timeout_seconds=20)


@pytest.mark.parametrize("vendor", VENDORS)
def test_pieces_become_one_answer_and_are_told_as_they_come(line: Line, vendor: str) -> None:
    pieces: list[str] = []
    asked: list[dict[str, Any]] = []

    def serve(connection: Connection) -> None:
        asked.append(connection.body)
        send_whole(connection, vendor)

    answer = line.complete(vendor, serve, note_text=pieces.append)
    assert (answer.text, answer.stop_reason) == (TEXT, StopReason.END)
    assert answer.usage == Usage(input_tokens=70, output_tokens=9)
    assert pieces == [TEXT[:7], TEXT[7:]]
    assert asked[0].get("stream", vendor == "google") is True


@pytest.mark.parametrize("vendor", VENDORS)
def test_bytes_may_be_split_anywhere(line: Line, vendor: str) -> None:
    def serve(connection: Connection) -> None:
        connection.start()
        whole = b"".join([*opening(vendor), piece(vendor, TEXT), *closing_events(vendor, TEXT)])
        for place in range(0, len(whole), 5):
            connection.send_bytes(whole[place : place + 5])
        connection.end()

    assert line.complete(vendor, serve).text == TEXT


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("how", ["cut", "ended", "half an event"])
def test_broken_stream_keeps_what_it_has(line: Line, vendor: str, how: str) -> None:
    def serve(connection: Connection) -> None:
        connection.start()
        connection.send(*opening(vendor), piece(vendor, TEXT))
        if how == "half an event":
            # In the middle of a character, too.
            connection.send_bytes(piece(vendor, "ü")[:-8])
        if how == "ended":
            connection.end()
        else:
            connection.cut()

    error = line.fail(vendor, serve, base.ConnectionCut)
    assert error.spent
    assert error.partial is not None
    assert error.partial.text == TEXT
    assert error.raw is not None
    assert TEXT.strip() in json.dumps(error.raw, ensure_ascii=False).replace("\\n", "\n")
    assert not {"usage", "usageMetadata"} & set(error.raw)
    known = error.partial.usage
    assert (known.input_tokens if known else 0) == (70 if vendor == "anthropic" else 0)


@pytest.mark.parametrize("vendor", VENDORS)
def test_silence_and_the_whole_clock_end_a_call(line: Line, vendor: str) -> None:
    going = threading.Event()

    def fall_silent(connection: Connection) -> None:
        connection.start()
        connection.send(*opening(vendor), piece(vendor, TEXT))
        going.wait(20)

    def drip(connection: Connection) -> None:
        connection.start()
        connection.send(*opening(vendor), piece(vendor, TEXT))
        # The event never ends, so only a clock for the whole call can stop this.
        connection.send_bytes(b'data: {"x": "')
        while not going.wait(0.05):
            connection.send_bytes(b"x")

    silent = line.fail(vendor, fall_silent, base.TimedOut, silence_seconds=0.3)
    dripping = line.fail(vendor, drip, base.TimedOut, silence_seconds=5, timeout_seconds=0.6)
    going.set()
    for error in (silent, dripping):
        assert error.partial is not None
        assert error.partial.text == TEXT


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_model_may_be_silent_for_longer_while_it_thinks(line: Line, vendor: str) -> None:
    going = threading.Event()

    def think(connection: Connection) -> None:
        connection.start()
        connection.send(*opening(vendor))
        time.sleep(1.5)
        connection.send(piece(vendor, TEXT), *closing_events(vendor, TEXT))
        connection.end()

    def fall_silent(connection: Connection) -> None:
        connection.start()
        connection.send(*opening(vendor), piece(vendor, TEXT))
        going.wait(20)

    assert line.complete(vendor, think, silence_seconds=1, thinking_seconds=10).text == TEXT
    # After its first text it has thought.
    started = time.monotonic()
    error = line.fail(vendor, fall_silent, base.TimedOut, silence_seconds=0.3, thinking_seconds=15)
    assert time.monotonic() - started < 15
    going.set()
    assert error.partial is not None
    assert error.partial.text == TEXT


@pytest.mark.parametrize("vendor", VENDORS)
def test_answer_may_take_longer_than_a_pause_may(line: Line, vendor: str) -> None:
    def serve(connection: Connection) -> None:
        connection.start()
        connection.send(*opening(vendor))
        for letter in TEXT:
            time.sleep(0.15)
            connection.send(piece(vendor, letter))
        connection.send(*closing_events(vendor, TEXT))
        connection.end()

    assert line.complete(vendor, serve, silence_seconds=2).text == TEXT


ERRORS = {
    "anthropic": event(
        {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}, "error"
    ),
    "chat": event({"error": {"message": "Provider returned error", "code": 503}}),
    "google": event({"error": {"code": 503, "message": "overloaded", "status": "UNAVAILABLE"}}),
}


@pytest.mark.parametrize("vendor", ERRORS)
@pytest.mark.parametrize("text", ["", TEXT])
def test_error_inside_a_stream_is_free_only_before_the_text(line: Line, vendor: str, text: str) -> None:
    def serve(connection: Connection) -> None:
        connection.start()
        connection.send(*opening(vendor), *([piece(vendor, text)] if text else []), ERRORS[vendor])
        connection.end()

    error = line.fail(vendor, serve, base.ConnectionCut if text else base.Overloaded)
    assert error.spent is bool(text)
    assert (error.partial.text if error.partial else "") == text


def test_failed_response_is_the_vendors_error(line: Line) -> None:
    def serve(connection: Connection) -> None:
        connection.start()
        failed = {"id": "r1", "status": "failed", "error": {"code": "server_error", "message": "x"}}
        connection.send(event({"type": "response.failed", "response": {**failed, "output": []}}))
        connection.end()

    with pytest.raises(base.ProviderError):
        line.complete("responses", serve)


@pytest.mark.parametrize("vendor", VENDORS)
def test_events_of_another_shape_are_typed(line: Line, vendor: str) -> None:
    def serve(connection: Connection) -> None:
        connection.start()
        for data in (
            {"type": "content_block_delta", "index": [], "delta": 5},
            {"type": "message_start", "message": 7},
            {"choices": 7},
            {"choices": [7]},
            {"candidates": 7},
            {"type": "response.completed", "response": 7},
        ):
            connection.send(event(data, str(data.get("type", ""))))
        connection.end()

    with pytest.raises(base.ProviderError) as caught:
        line.complete(vendor, serve)
    assert isinstance(caught.value, base.MalformedAnswer | base.ConnectionCut)


@pytest.mark.parametrize("vendor", VENDORS)
def test_call_that_is_broken_off_says_what_had_come(line: Line, vendor: str) -> None:
    told, going, abort = threading.Event(), threading.Event(), Abort()

    def serve(connection: Connection) -> None:
        connection.start()
        connection.send(*opening(vendor), piece(vendor, TEXT))
        going.wait(20)

    threading.Thread(target=lambda: (told.wait(20), abort.now()), daemon=True).start()
    with pytest.raises(Aborted) as caught, allow_abort(abort):
        line.complete(vendor, serve, note_text=lambda _: told.set())
    going.set()
    assert caught.value.partial.text == TEXT  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("vendor", "model", "field", "value"),
    [
        ("anthropic", "claude-sonnet-5-5", ("output_config", "effort"), "low"),
        ("anthropic", "claude-haiku-4-5", ("output_config",), None),
        ("responses", "gpt-5.6-sol", ("reasoning", "effort"), "low"),
        ("responses", "gpt-5-chat-latest", ("reasoning",), None),
        ("chat", "gpt-4.1", ("reasoning_effort",), None),
        ("google", "gemini-3.8-flash", ("generationConfig", "thinkingConfig", "thinkingLevel"), "LOW"),
        ("google", "gemini-2.5-flash", ("generationConfig", "thinkingConfig", "thinkingBudget"), 1024),
        ("google", "gemini-2.0-flash", ("generationConfig", "thinkingConfig"), None),
    ],
)
def test_effort_goes_to_the_control_that_the_model_has(
    line: Line, vendor: str, model: str, field: tuple[str, ...], value: Any
) -> None:
    asked: list[dict[str, Any]] = []

    def serve(connection: Connection) -> None:
        asked.append(connection.body)
        send_whole(connection, vendor)

    line.complete(vendor, serve, model=model, effort="low")
    found: Any = asked[0]
    for name in field:
        found = (found or {}).get(name)
    assert found == value


def test_what_google_says_is_kept_as_it_came(line: Line) -> None:
    """Also fields, parts and reasons that are newer than the SDK."""
    first = {
        "candidates": [
            {"content": {"parts": [{"text": "so", "thought": True, "x": 1}]}, "newIn": {"a": [1]}}
        ],
        "responseId": "r",
        "modelStatus": {"stage": "PREVIEW"},
    }
    more = {"candidates": [{"content": {"parts": [{"text": "one "}]}}]}
    last = {
        "candidates": [
            {"content": {"parts": [{"text": "two"}]}, "finishReason": "STOP", "avgLogprobs": -0.1}
        ],
        "usageMetadata": {
            "promptTokenCount": 7,
            "candidatesTokenCount": 2,
            "thoughtsTokenCount": 3,
            "totalTokenCount": 12,
            "trafficType": "ON_DEMAND",
            "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 7}],
        },
        "modelVersion": "gemini-of-tomorrow",
    }

    def serve(connection: Connection) -> None:
        connection.start()
        connection.send(event(first), event(more), event(last))
        connection.end()

    answer = line.complete("google", serve)
    assert answer.text == "one two"
    assert answer.thoughts == "so"
    assert answer.model == "gemini-of-tomorrow"
    assert answer.raw == {
        "candidates": [
            {
                "content": {
                    "role": "model",
                    "parts": [{"text": "so", "thought": True, "x": 1}, {"text": "one two"}],
                },
                "newIn": {"a": [1]},
                "finishReason": "STOP",
                "avgLogprobs": -0.1,
            }
        ],
        "responseId": "r",
        "modelStatus": {"stage": "PREVIEW"},
        "usageMetadata": last["usageMetadata"],
        "modelVersion": "gemini-of-tomorrow",
    }
