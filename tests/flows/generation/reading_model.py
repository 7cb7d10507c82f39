"""A model that knows only what arrived over HTTP, and writes as a vendor's grammar lets it.

It has an answer in mind (a sample's) and writes of it what the schema admits *as it came*: a closed object
loses every property that is not named, one without properties becomes ``{}``, and a string holds JSON only
where the schema asks for a string. A repair of the schema's fate on the way is therefore visible in the
answer.
"""

import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from providers.simulator.scenarios import ScenarioPrompt, read_prompt
from providers.simulator.server import ROUTES
from providers.simulator.wires.base import SimulatedAnswer

_IN_WORDS = re.compile(r"follows this JSON schema:\n(?=\{)")
_PLAN = re.compile(r"^The plan, as JSON:\n\n(\{.*?^\})", re.MULTILINE | re.DOTALL)
Play = Callable[[ScenarioPrompt, str, Mapping[str, Any] | None], str]
"""What the prompt asks for, the whole text and the schema that arrived; the text of the answer."""


def find_schema(body: Mapping[str, Any], text: str) -> Mapping[str, Any] | None:
    """The schema of a request to any of the three vendors, in its field or in words."""
    chat = (body.get("response_format") or {}).get("json_schema") or {}
    fields = (
        ((body.get("output_config") or {}).get("format") or {}).get("schema"),
        ((body.get("text") or {}).get("format") or {}).get("schema"),
        chat.get("schema"),
        (body.get("generationConfig") or {}).get("responseJsonSchema"),
    )
    found: Mapping[str, Any] | None = next((field for field in fields if field), None)
    said = _IN_WORDS.search(text)
    if found is not None or said is None:
        return found
    # The next block of the prompt may follow without a line end.
    told: Mapping[str, Any] = json.JSONDecoder().raw_decode(text, said.end())[0]
    return told


def write_by_schema(meant: Any, schema: Mapping[str, Any]) -> Any:
    """What of ``meant`` a grammar made from ``schema`` lets the model write."""
    kind = schema.get("type")
    if kind == "object":
        known = schema.get("properties", {})
        missing = set(schema.get("required", known)) - set(meant)
        assert not missing, f"the schema asks for {missing}, of which the prompt says nothing"
        return {key: write_by_schema(meant[key], inner) for key, inner in known.items() if key in meant}
    if kind == "array":
        return [write_by_schema(item, schema["items"]) for item in meant]
    if kind == "string" and not isinstance(meant, str):
        return json.dumps(meant)
    return meant


def read_plan(text: str) -> dict[str, Any]:
    """The plan that a prompt of the implementer shows."""
    found = _PLAN.search(text)
    assert found is not None, "the prompt shows no plan"
    return dict(json.loads(found[1]))


@contextmanager
def serve(play: Play) -> Iterator[str]:
    """Serve the three vendors' protocols on loopback; yields ``http://host:port``."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            path = self.path.partition("?")[0]
            wire = next(wire for pattern, wire in ROUTES if pattern.search(path))
            asked = wire.read_question(path, {k.lower(): v for k, v in self.headers.items()}, body)
            text = play(read_prompt(asked.text), asked.text, find_schema(body, asked.text))
            answer = SimulatedAnswer(1, text, "end", 10, 0, 0, 0, 10, 0)
            sent, kind = json.dumps(wire.build_answer(asked, answer)).encode(), "application/json"
            if asked.stream:
                sent, kind = (
                    b"".join(event.data for event in wire.stream_answer(asked, answer)),
                    "text/event-stream",
                )
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(sent)))
            self.end_headers()
            self.wfile.write(sent)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
