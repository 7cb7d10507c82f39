"""Claude through Anthropic's SDK: the Messages API."""

from typing import Any, Final

import anthropic

from providers import transport, usage, wire
from providers.base import AnswerMissing, Completion, Request, StopReason
from providers.catalog import effort_control, wire_model
from providers.prompt_cache import is_worth_caching, sends_schema, tell_system
from providers.streaming import Assembly, merge_known
from providers.wire_schema import narrow_schema

_STOPS: Final = {
    "end_turn": StopReason.END,
    "stop_sequence": StopReason.END,
    "max_tokens": StopReason.LENGTH,
    "model_context_window_exceeded": StopReason.LENGTH,
    "refusal": StopReason.REFUSAL,
}
# A count delays a call; after this long the bound in bytes is used instead.
_COUNT_SECONDS: Final = 15.0


class AnthropicAdapter:
    """One client for all threads of a process."""

    name = "anthropic"

    def __init__(self, api_key: str, base_url: str = "") -> None:
        self._client = anthropic.Anthropic(
            api_key=api_key,
            base_url=base_url or None,
            # The SDK would retry by itself, past the limiter and without a reservation.
            max_retries=0,
            http_client=transport.build_client(_COUNT_SECONDS, names_events=True),
        )

    def complete(self, request: Request) -> Completion:
        """Ask for one message; see ``Adapter``."""
        body = {**build_body(request), "stream": True}
        assembly = _MessageAssembly()
        raw, headers = transport.post_streamed(
            self.name, anthropic, self._client, "/v1/messages", body, request, assembly
        )
        request_id = headers.get("request-id", "")
        answer = wire.read_answer(self.name, raw, lambda found: _read_completion(found, request_id))
        return assembly.describe(answer)

    def count_tokens(self, request: Request) -> int:
        """Count by ``/v1/messages/count_tokens``, which is free."""
        # The count refuses fields that it does not know, and ``max_tokens`` is one.
        body = {name: value for name, value in build_body(request).items() if name != "max_tokens"}
        seconds = min(request.timeout_seconds, _COUNT_SECONDS)
        response = transport.post_json(
            self.name, anthropic, self._client, "/v1/messages/count_tokens", body, seconds
        )
        counted = wire.parse_json_object(self.name, response.content).get("input_tokens")
        return wire.check_count(self.name, counted)

    def request_bytes(self, request: Request) -> int:
        """See ``Adapter``."""
        return wire.body_bytes(build_body(request), with_schema=request.json_schema is not None)

    def close(self) -> None:
        """See ``Adapter``."""
        self._client.close()


def build_body(request: Request) -> dict[str, Any]:
    """Return the body of ``request`` as it is sent."""
    # The stable part precedes the system text, so that stages with different system texts share its cache.
    system: list[dict[str, Any]] = []
    if request.stable:
        system.append({"type": "text", "text": request.stable})
    if is_worth_caching(request):
        system[0]["cache_control"] = {"type": "ephemeral"}
    # The API refuses a text block that is empty.
    if told := tell_system(request):
        system.append({"type": "text", "text": told})
    body: dict[str, Any] = {
        "model": wire_model(request.model),
        "max_tokens": request.max_output_tokens,
        "messages": [{"role": "user", "content": request.prompt}],
    }
    if system:
        body["system"] = system
    config: dict[str, Any] = {}
    if request.effort and effort_control(request.model) == "effort":
        config["effort"] = request.effort
    if request.json_schema is not None and sends_schema(request):
        schema = anthropic.transform_schema(narrow_schema(request.json_schema))
        config["format"] = {"type": "json_schema", "schema": schema}
    if config:
        body["output_config"] = config
    return body


class _MessageAssembly(Assembly):
    """Anthropic's events: https://docs.claude.com/en/docs/build-with-claude/streaming."""

    def __init__(self) -> None:
        super().__init__()
        self._message: dict[str, Any] = {}
        self._is_used_told = False
        self._blocks: dict[int, dict[str, Any]] = {}
        # Joined at the end: a string that grows by each token would be copied thousands of times.
        self._parts: dict[tuple[int, str], list[str]] = {}

    def _take(self, event: dict[str, Any]) -> str:
        # Some proxies send an answer again behind its end.
        kind = "" if self.ended else event.get("type")
        match kind:
            case "content_block_delta":
                return self._add_delta(int(event["index"]), event["delta"])
            case "message_start":
                if self._message:
                    raise ValueError("the answer began twice")
                self._message = dict(event["message"])
            case "content_block_start":
                self._blocks[int(event["index"])] = dict(event["content_block"])
            case "message_delta":
                self._message = merge_known(self._message, event["delta"])
                self._take_usage(event.get("usage"))
            case "message_stop":
                self.ended = True
                # The usage of the beginning is not that of the answer.
                if not self._is_used_told:
                    self._message.pop("usage", None)
        return ""

    def _add_delta(self, index: int, delta: dict[str, Any]) -> str:
        for name in ("text", "thinking", "signature"):
            if name in delta:
                piece = delta[name] or ""
                if not isinstance(piece, str):
                    raise ValueError(f"{name} is a {type(piece).__name__}")
                self._parts.setdefault((index, name), []).append(piece)
        self.note_thought(delta.get("thinking"))
        return str(delta.get("text") or "")

    def _take_usage(self, told: Any) -> None:
        if told is None:
            return
        self._is_used_told = True
        # What is not an object is kept as it is, so that it is found to be doubtful.
        known = self._message.get("usage") or {}
        self._message["usage"] = merge_known(known, told) if isinstance(told, dict) else told

    def build_raw(self) -> dict[str, Any]:
        """See ``Assembly``."""
        blocks = {index: dict(block) for index, block in self._blocks.items()}
        for (index, name), pieces in self._parts.items():
            block = blocks.setdefault(index, {"type": "text"})
            block[name] = str(block.get(name) or "") + "".join(pieces)
        return {**self._message, "content": [blocks[index] for index in sorted(blocks)]}


def _read_completion(raw: dict[str, Any], request_id: str) -> Completion:
    stop = _STOPS.get(str(raw.get("stop_reason")))
    # Other blocks may come before it, such as thinking; only text is the answer.
    text = wire.join_texts([part for part in raw["content"] if part["type"] == "text"])
    # A refusal or a cut-off answer may be empty; one that claims to be complete may not.
    if stop is None or (not text and stop is StopReason.END):
        raise AnswerMissing("anthropic", f"no whole answer, stop reason {raw.get('stop_reason')!r}", raw=raw)
    used, source = usage.read_reported("anthropic", raw)
    request_id = request_id or str(raw.get("id", ""))
    return Completion(text, stop, used, str(raw.get("model", "")), request_id, raw, source)
