"""The HTTP server: routes, the life of one request, faults, and the control paths under ``/__sim__/``."""

import json
import logging
import re
import socket
import struct
import time
from datetime import UTC, datetime
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from providers.simulator.answers import compose_answer
from providers.simulator.behaviour import Behaviour, Fault
from providers.simulator.scenarios import NoScenario, ScenarioPrompt, read_prompt
from providers.simulator.schema_rules import example_answer
from providers.simulator.state import SimulatorState
from providers.simulator.wires.anthropic import AnthropicWire
from providers.simulator.wires.base import (
    Question,
    RequestRejected,
    SimulatedAnswer,
    StreamEvent,
    Wire,
)
from providers.simulator.wires.google import GoogleWire
from providers.simulator.wires.openai import OpenAIWire
from providers.simulator.zoo import ZOO

_log = logging.getLogger("simulator")
ROUTES: Final[tuple[tuple[re.Pattern[str], Wire], ...]] = (
    (re.compile(r"/v1/messages(/count_tokens)?$"), AnthropicWire()),
    (re.compile(r"/v1/(chat/completions|responses(/input_tokens)?)$"), OpenAIWire()),
    (re.compile(r"/v1(beta)?/models/[^/]+:\w+$"), GoogleWire()),
)
_ERROR_KINDS: Final = frozenset({"status", "rate_limit"})
_FLOOD_BYTES: Final = 10_000_000


class Simulator(ThreadingHTTPServer):
    """One process, a thread per connection: hundreds of slow calls at once are what it is for."""

    daemon_threads = True
    # A hanging request is a fault on demand; waiting for it would hang the shutdown.
    block_on_close = False
    # Hundreds of workers connect at the same moment; the default of 5 would drop many of them.
    request_queue_size = 1024

    def __init__(self, address: tuple[str, int], state: SimulatorState) -> None:
        super().__init__(address, SimulatorHandler)
        self.state = state

    def base_urls(self) -> dict[str, str]:
        """Return the values of the ``<P>_BASE_URL`` variables and the address of the control paths."""
        root = f"http://{self.server_address[0]!s}:{self.server_address[1]}"
        return {
            "ANTHROPIC_BASE_URL": root,
            "OPENAI_BASE_URL": f"{root}/v1",
            "GOOGLE_BASE_URL": root,
            "control": f"{root}/__sim__/",
        }

    def shutdown(self) -> None:
        """Stop serving; hanging requests are let go."""
        self.state.stop()
        super().shutdown()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - the base class's
        """Log a client that left during an answer; chaos tests cause this, so it is not an error."""
        _log.debug("connection of %s ended early", client_address)


class SimulatorHandler(BaseHTTPRequestHandler):
    """One connection. Answers leave in one write: split ones wait 40 ms for the delayed acknowledgement."""

    server: Simulator
    protocol_version = "HTTP/1.1"
    server_version = "simulator"
    # Buffered, so that headers and body leave together; see above.
    wbufsize = -1
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        """``/__sim__/`` reports, ``/__sim__/log`` lists what arrived."""
        if self.path == "/__sim__/log":
            self._send_json(200, self.server.state.read_log())
        elif self.path.rstrip("/") == "/__sim__":
            self._send_json(200, self.server.state.build_report())
        else:
            self._send_json(404, {"error": "GET knows /__sim__/ and /__sim__/log"})

    def do_PUT(self) -> None:
        """``/__sim__/<provider>`` takes a behaviour."""
        try:
            provider = self.path.removeprefix("/__sim__/")
            self.server.state.set_behaviour(provider, Behaviour.parse(self._read_body()))
        except (ValueError, TypeError, AttributeError) as error:
            self._send_json(400, {"error": str(error)})
        else:
            self._send_json(200, self.server.state.build_report()["behaviours"][provider])

    def do_POST(self) -> None:
        """Answer a question to a model, or reset by ``/__sim__/reset``."""
        path = self.path.partition("?")[0]
        if path == "/__sim__/reset":
            self._read_body()
            self.server.state.reset()
            self._send_json(200, {})
            return
        wire = next((wire for pattern, wire in ROUTES if pattern.search(path)), None)
        if wire is None:
            self._read_body()
            self._send_json(
                404,
                {
                    "error": {
                        "message": f"no such path: {path}",
                        "type": "invalid_request_error",
                        "code": None,
                    }
                },
            )
        else:
            self._answer_question(wire, path)

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing for each request line; ``_finish_request`` logs what matters."""

    def _answer_question(self, wire: Wire, path: str) -> None:
        asked = self._read_question(wire, path)
        # A count is free at every vendor: it is not logged, takes no fault and starts no request.
        if isinstance(asked, Question) and asked.counting:
            self.server.state.record_token_count(wire.name)
            self._send_json(200, wire.build_count(asked, asked.prompt_tokens))
            return
        model = asked.model if isinstance(asked, Question) else ""
        prompt = read_prompt(asked.text if isinstance(asked, Question) else "")
        number, behaviour, fault = self.server.state.start_request(wire.name, model, prompt.stage)
        entry: dict[str, Any] = {
            "id": number,
            "at": datetime.now(UTC).isoformat(),
            "provider": wire.name,
            "path": path,
            "status": 0,
        }
        started = time.monotonic()
        try:
            if isinstance(asked, RequestRejected):
                raise asked
            entry |= {"model": model, "stage": prompt.stage, "round": prompt.round, "title": prompt.title}
            self._send_answer(wire, asked, prompt, number, behaviour, fault, entry)
        except RequestRejected as refused:
            entry["status"] = refused.status
            # The log keeps why: a test that sees a refusal has to see the vendor's reason too.
            entry["refused"] = refused.message[:500]
            error = wire.build_error(refused.status, refused.code, refused.message, None, refused.param)
            self._send_json(refused.status, error)
        finally:
            # Also where the client got no answer: tests count what arrived.
            entry["seconds"] = round(time.monotonic() - started, 4)
            self._finish_request(wire, entry)

    def _read_question(self, wire: Wire, path: str) -> Question | RequestRejected:
        headers = {name.lower(): value for name, value in self.headers.items()}
        try:
            return wire.read_question(path, headers, self._read_body())
        except RequestRejected as refused:
            return refused
        except (ValueError, TypeError, AttributeError, KeyError) as error:
            # A wire reads the vendor's shape without checks; a body of another shape ends in one of these.
            return RequestRejected(400, "", f"malformed request: {error!r}")

    def _send_answer(
        self,
        wire: Wire,
        asked: Question,
        prompt: ScenarioPrompt,
        number: int,
        behaviour: Behaviour,
        fault: Fault | None,
        entry: dict[str, Any],
    ) -> None:
        state = self.server.state
        entry["fault"] = fault.kind if fault else ""
        state.wait(behaviour.wait_seconds())
        if fault and fault.kind in {*_ERROR_KINDS, *ZOO, "hang", "reset", "empty"}:
            self._fail_early(wire, fault, entry)
            return
        kind = fault.kind if fault else ""
        text = self._find_text(asked, prompt)
        if kind == "flood":
            text += "x" * _FLOOD_BYTES
        answer = compose_answer(state, wire.name, asked, text, number, kind)
        entry |= {
            "status": 200,
            "stream": asked.stream,
            "effort": asked.effort,
            "input_tokens": answer.prompt_tokens,
            "cache_read_tokens": answer.cache_read,
            "cache_write_tokens": answer.cache_write_5m + answer.cache_write_1h,
            "output_tokens": answer.output_tokens + answer.reasoning_tokens,
        }
        if asked.stream:
            self._send_stream(wire, asked, answer, behaviour, fault)
            return
        tokens = answer.output_tokens + answer.reasoning_tokens
        state.wait(behaviour.generation_seconds(tokens))
        body = wire.build_answer(asked, answer)
        if kind == "no_usage":
            _drop_usage(body)
        self._send_bytes(200, json.dumps(body).encode(), {}, fault)

    def _find_text(self, asked: Question, prompt: ScenarioPrompt) -> str:
        state = self.server.state
        if not state.echo:
            try:
                return state.library.find_answer(prompt)
            except NoScenario as unknown:
                raise RequestRejected(400, "", str(unknown)) from unknown
        if asked.schema is not None or asked.json_only:
            return json.dumps(example_answer(asked.schema or {}))
        return "simulated answer"

    def _send_stream(
        self, wire: Wire, asked: Question, answer: SimulatedAnswer, behaviour: Behaviour, fault: Fault | None
    ) -> None:
        """Send the events one by one, as fast as the model makes their tokens."""
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.send_header("x-simulated", "true")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        events = list(wire.stream_answer(asked, answer))
        half, kind = len(events) // 2, fault.kind if fault else ""
        for place, event in enumerate(events):
            # A reset ends the wait and, like a crash, the stream.
            if self.server.state.wait(behaviour.generation_seconds(event.tokens)):
                self._reset_connection()
                return
            if place == half and fault and self._break_stream(wire, asked, event, fault):
                return
            data = _without_usage(event.data) if kind == "no_usage" else event.data
            if kind == "drip" and fault:
                self._drip_chunk(data, fault.seconds / len(events))
                continue
            for _ in range(2 if kind == "repeat" else 1):
                self._send_chunk(data)
        self._send_chunk(b"")

    def _break_stream(self, wire: Wire, asked: Question, event: StreamEvent, fault: Fault) -> bool:
        """Show the fault that hits the middle of a stream; return whether the stream is over."""
        if fault.kind == "stall":
            return self.server.state.wait(fault.seconds)
        if fault.kind == "cut":
            # In the middle of an event, and where it has one in the middle of a character.
            self._send_chunk(event.data[: len(event.data) // 2])
            self._reset_connection()
            return True
        if fault.kind == "malformed":
            self._send_chunk(event.data[: len(event.data) // 2] + b"\n\n")
        elif fault.kind == "error_event":
            self._send_chunk(wire.stream_error(asked, "simulated failure in the middle of a stream").data)
        elif fault.kind != "end":
            return False
        self._send_chunk(b"")
        return True

    def _send_chunk(self, data: bytes) -> None:
        """Send one chunk; an empty one ends the body."""
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    def _drip_chunk(self, data: bytes, seconds: float) -> None:
        for place in range(len(data)):
            self._send_chunk(data[place : place + 1])
            if self.server.state.wait(seconds / len(data)):
                return

    def _fail_early(self, wire: Wire, fault: Fault, entry: dict[str, Any]) -> None:
        if fault.kind == "hang":
            self.server.state.wait(fault.seconds)
            self._reset_connection()
        elif fault.kind == "reset":
            self._reset_connection()
        elif fault.kind == "empty":
            entry["status"] = 200
            self._send_bytes(200, b"", {}, None)
        elif fault.kind in ZOO:
            named = ZOO[fault.kind]
            entry["status"] = named.status
            self._send_bytes(named.status, named.content(), named.sent_headers(), None)
        else:
            status = 429 if fault.kind == "rate_limit" else fault.status
            entry["status"] = status
            in_body = fault.retry_after if fault.retry_after_style == "body" else None
            body = wire.build_error(status, "", f"simulated {fault.kind} {status}", in_body)
            self._send_bytes(status, json.dumps(body).encode(), _wait_headers(wire, fault), None)

    def _send_json(self, status: int, body: Any) -> None:
        self._send_bytes(status, json.dumps(body).encode(), {}, None)

    def _send_bytes(self, status: int, body: bytes, headers: dict[str, str], fault: Fault | None) -> None:
        kind = fault.kind if fault else ""
        if kind == "malformed":
            body = body[: len(body) // 2]
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "x-simulated": "true", **headers}.items():
            self.send_header(name, value)
        # The length of the whole body also for a cut: the client must notice that some is missing.
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if kind == "drip" and fault:
            self._send_slowly(body, fault.seconds)
            return
        self.wfile.write(body[: len(body) // 2] if kind == "cut" else body)
        self.wfile.flush()
        if kind == "cut":
            self._reset_connection()

    def _send_slowly(self, body: bytes, seconds: float) -> None:
        for place in range(len(body)):
            self.wfile.write(body[place : place + 1])
            self.wfile.flush()
            if self.server.state.wait(seconds / len(body)):
                return

    def _reset_connection(self) -> None:
        """End the connection as a crashed peer does: with a reset, not with an orderly close."""
        self.close_connection = True
        # Linger on with zero seconds: the kernel then sends RST instead of FIN.
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def _finish_request(self, wire: Wire, entry: dict[str, Any]) -> None:
        self.server.state.end_request(wire.name, entry)
        known = ("provider", "model", "stage", "round", "title", "fault", "status", "seconds")
        _log.info("SIMULATED %s", " ".join(f"{name}={entry[name]!r}" for name in known if name in entry))

    def _read_body(self) -> dict[str, Any]:
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")
        if not isinstance(body, dict):
            raise TypeError("the body is not a JSON object")
        return body


def _drop_usage(body: dict[str, Any]) -> None:
    """Leave out what the answer used, at any depth the vendor says it."""
    for name in ("usage", "usageMetadata"):
        body.pop(name, None)
    for value in body.values():
        if isinstance(value, dict):
            _drop_usage(value)


def _without_usage(data: bytes) -> bytes:
    head, _, text = data.decode().rpartition("data: ")
    if not text.startswith("{"):
        return data
    event = json.loads(text)
    _drop_usage(event)
    return f"{head}data: {json.dumps(event)}\n\n".encode()


def _wait_headers(wire: Wire, fault: Fault) -> dict[str, str]:
    """Return the headers that say when to come back, in the style that the fault asks for."""
    seconds = fault.retry_after
    if seconds is None or fault.retry_after_style == "body":
        return {}
    if fault.retry_after_style == "reset":
        return wire.reset_headers(seconds)
    if fault.retry_after_style == "ms":
        return {"retry-after-ms": str(int(seconds * 1000))}
    if fault.retry_after_style == "date":
        return {
            "Retry-After": format_datetime(datetime.fromtimestamp(time.time() + seconds, UTC), usegmt=True)
        }
    return {"Retry-After": f"{seconds:g}"}
