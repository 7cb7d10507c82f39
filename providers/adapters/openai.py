"""GPT, and any OpenAI-compatible server, through OpenAI's SDK.

Reasoning models (o1 and later, GPT-5 and later) go over the Responses API, everything else over chat
completions, which is what compatible servers speak.
"""

import hashlib
import re
from collections.abc import Mapping
from typing import Any, Final

import openai

from providers import transport, usage, wire
from providers.base import (
    AnswerMissing,
    Completion,
    ConnectionCut,
    PartialAnswer,
    Request,
    ServerFailed,
    StopReason,
)
from providers.catalog import effort_control, output_limit, takes_schema, wire_model
from providers.failures import error_inside
from providers.prompt_cache import is_worth_caching, sends_schema, tell_system
from providers.streaming import Assembly, merge_known
from providers.wire_schema import describe_schema, narrow_schema

# By generation, not by name: a model that appears tomorrow should need no release of this product.
_REASONING: Final = re.compile(r"(o\d|gpt-([5-9]|\d\d)|codex-)")
# They have neither structured output nor "some JSON object".
_NO_JSON: Final = re.compile(r"gpt-4(-0613|-0314|$)")
# From here on writes to the cache have a price, and prefixes are found at breakpoints only.
_MARKS_CACHE: Final = re.compile(r"gpt-(5\.[6-9]|[6-9]|\d\d)")
# Some compatible servers hand on the reason of the vendor behind them.
_FINISHED: Final = {
    "stop": StopReason.END,
    "eos": StopReason.END,
    "end_turn": StopReason.END,
    "stop_sequence": StopReason.END,
    "length": StopReason.LENGTH,
    "max_tokens": StopReason.LENGTH,
    "content_filter": StopReason.CONTENT_FILTER,
}
_INCOMPLETE: Final = {"max_output_tokens": StopReason.LENGTH, "content_filter": StopReason.CONTENT_FILTER}
_THOUGHTS: Final = frozenset({"response.reasoning_text.delta", "response.reasoning_summary_text.delta"})
_LAST_EVENTS: Final = frozenset({"response.completed", "response.incomplete", "response.failed"})
_FAILURES: Final = frozenset({"error", "response.failed"})
_COUNT_SECONDS: Final = 15.0
_CHAT: Final = "/chat/completions"
_RESPONSES: Final = "/responses"


class OpenAIAdapter:
    """One client for all threads of a process."""

    name = "openai"

    def __init__(self, api_key: str, base_url: str = "") -> None:
        self._client = openai.OpenAI(
            api_key=api_key,
            base_url=base_url or None,
            # The SDK would retry by itself, past the limiter and without a reservation.
            max_retries=0,
            http_client=transport.build_client(_COUNT_SECONDS),
        )

    def complete(self, request: Request) -> Completion:
        """Ask for one chat completion or one response; see ``Adapter``."""
        if self._takes_responses(request):
            path, body, read = _RESPONSES, _response_body(request), _read_response
            assembly: Assembly = _ResponseAssembly(self.name)
        else:
            path, body, read = _CHAT, self._build_chat(request), _read_chat
            assembly = _ChatAssembly(self.name)
            # Without it a streamed chat completion has no usage.
            body["stream_options"] = {"include_usage": True}
        raw, headers = transport.post_streamed(
            self.name, openai, self._client, path, {**body, "stream": True}, request, assembly
        )
        request_id = headers.get("x-request-id", "")
        answer = wire.read_answer(self.name, raw, lambda found: read(self.name, found, request_id))
        return assembly.describe(answer)

    def count_tokens(self, request: Request) -> int:
        """Count by ``/v1/responses/input_tokens``, which is free; few compatible servers have that path."""
        known = {"model", "input", "instructions", "text"}
        body = {name: value for name, value in _response_body(request).items() if name in known}
        seconds = min(request.timeout_seconds, _COUNT_SECONDS)
        answer = transport.post_json(
            self.name, openai, self._client, "/responses/input_tokens", body, seconds
        )
        counted = wire.parse_json_object(self.name, answer.content).get("input_tokens")
        return wire.check_count(self.name, counted)

    def request_bytes(self, request: Request) -> int:
        """See ``Adapter``."""
        body = _response_body(request) if self._takes_responses(request) else self._build_chat(request)
        return wire.body_bytes(body, with_schema=request.json_schema is not None)

    def close(self) -> None:
        """See ``Adapter``."""
        self._client.close()

    def _takes_responses(self, request: Request) -> bool:
        return bool(_REASONING.match(wire_model(request.model)))

    def _build_chat(self, request: Request) -> dict[str, Any]:
        return _chat_body(request)


class CompatibleAdapter(OpenAIAdapter):
    """A server that speaks OpenAI's chat completions, under a name of its own."""

    def __init__(self, api_key: str, base_url: str, name: str) -> None:
        super().__init__(api_key, base_url)
        self.name = name

    def _takes_responses(self, request: Request) -> bool:  # noqa: ARG002
        # Few such servers have the other API, also where their models have names like OpenAI's.
        return False

    def _build_chat(self, request: Request) -> dict[str, Any]:
        body = _chat_body(request)
        # A field of OpenAI's own, which a strict server refuses.
        body.pop("prompt_cache_key", None)
        return body


def build_body(request: Request) -> tuple[str, dict[str, Any]]:
    """Return the path and the body of ``request`` as it is sent to OpenAI, streamed."""
    if _REASONING.match(wire_model(request.model)):
        return _RESPONSES, _response_body(request)
    return _CHAT, {**_chat_body(request), "stream_options": {"include_usage": True}}


def _stable_first(request: Request) -> str:
    """Return one system text, the stable part first: OpenAI caches prefixes of 1,024 tokens and more."""
    return "\n\n".join(part for part in (request.stable, request.system) if part)


def _cache_key(request: Request) -> dict[str, str]:
    """Sends calls with the same prefix to the same cache; only OpenAI's own models know the field."""
    if not request.stable or not re.match(r"(gpt-|o\d)", request.model):
        return {}
    return {"prompt_cache_key": hashlib.sha256(request.stable.encode()).hexdigest()[:32]}


def _chat_body(request: Request) -> dict[str, Any]:
    model, system = wire_model(request.model), _stable_first(request)
    # Asking for more than the model may write is refused with a 400.
    most = min(request.max_output_tokens, output_limit(request.model) or request.max_output_tokens)
    body: dict[str, Any] = {"model": model, "max_tokens": most, **_cache_key(request)}
    if request.json_schema is None:
        pass
    elif not takes_schema(request.model):
        # Older models are bound to some JSON object, by a field that wants the word in the text.
        if not _NO_JSON.match(model.removeprefix("ft:")):
            body["response_format"] = {"type": "json_object"}
        system += f"\n\n{describe_schema(request.json_schema)}"
    elif is_worth_caching(request) and _cache_key(request):
        system += f"\n\n{describe_schema(request.json_schema)}"
    else:
        body["response_format"] = {"type": "json_schema", "json_schema": _named_schema(request.json_schema)}
    system_message = [{"role": "system", "content": system}] if system else []
    body["messages"] = [*system_message, {"role": "user", "content": request.prompt}]
    return body


def _response_body(request: Request) -> dict[str, Any]:
    body: dict[str, Any] = {
        "model": wire_model(request.model),
        "input": [
            *_list_messages("developer", _mark_stable(request), _part(tell_system(request))),
            *_list_messages("user", _part(request.prompt)),
        ],
        "max_output_tokens": request.max_output_tokens,
        # OpenAI keeps responses for 30 days by default; a repo's code must not be kept there.
        "store": False,
        **_cache_key(request),
    }
    if _MARKS_CACHE.match(body["model"]):
        # Its own breakpoint, at the end of the question, would be paid for and never read.
        body["prompt_cache_options"] = {"mode": "explicit"}
    if request.effort and effort_control(request.model) == "effort":
        body["reasoning"] = {"effort": request.effort}
    if request.json_schema is not None and sends_schema(request):
        body["text"] = {"format": {"type": "json_schema", **_named_schema(request.json_schema)}}
    return body


def _part(text: str) -> dict[str, Any]:
    return {"type": "input_text", "text": text}


def _mark_stable(request: Request) -> dict[str, Any]:
    """Return the stable part, with a breakpoint behind it where the model has them and it is worth one."""
    part = _part(request.stable)
    if is_worth_caching(request) and _MARKS_CACHE.match(wire_model(request.model)):
        part["prompt_cache_breakpoint"] = {"mode": "explicit"}
    return part


def _list_messages(role: str, *parts: dict[str, Any]) -> list[dict[str, Any]]:
    # One message for each part: caches end at messages, too. The API refuses an empty text.
    return [{"type": "message", "role": role, "content": [part]} for part in parts if part["text"]]


def _named_schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"name": "answer", "schema": narrow_schema(schema), "strict": True}


class _ChatAssembly(Assembly):
    """Chunks of a chat completion: https://platform.openai.com/docs/api-reference/chat-streaming."""

    def __init__(self, provider: str) -> None:
        super().__init__()
        self._provider = provider
        self._envelope: dict[str, Any] = {}
        self._choice: dict[str, Any] = {}
        self._refusal: list[str] = []
        self._chunks = self._counted_chunks = 0

    def _take(self, event: dict[str, Any]) -> str:
        choices = event.get("choices")
        # Some servers send the fields of an error in the place of a chunk.
        if "choices" not in event and isinstance(event.get("message"), str):
            event = {"error": event}
        failed = error_inside(self._provider, event)
        if failed is not None:
            raise failed
        # The envelope is the same in every chunk, except the usage of the last one.
        if not self._envelope or event.get("usage"):
            self._envelope |= {key: value for key, value in event.items() if key != "choices"}
        # Of several alternatives, which nobody asked for, the first one.
        choice = next((one for one in choices or () if not one.get("index")), None)
        self._note_end(event, choice)
        if choice is None:
            return ""
        # Raised here, so that what was written before counts.
        failed = error_inside(self._provider, choice)
        if failed is not None:
            raise failed
        # Some servers call the piece of a chunk like the whole of an answer.
        delta = choice.get("delta") or (not self._pieces and choice.get("message")) or {}
        if delta.get("refusal"):
            self._refusal.append(str(delta["refusal"]))
        self.note_thought(delta.get("reasoning_content") or delta.get("reasoning"))
        return wire.join_texts(delta.get("content"))

    def _note_end(self, event: dict[str, Any], choice: dict[str, Any] | None) -> None:
        """Some servers never name a reason to stop, and end with the usage; others count in every chunk, so
        that a count of its own says nothing.
        """
        is_counted = bool(event.get("usage"))
        if choice is None and not is_counted:
            return
        self._chunks += 1
        self._counted_chunks += is_counted
        if choice is not None and choice.get("finish_reason"):
            self._choice = {key: value for key, value in choice.items() if key not in ("delta", "message")}
        ends_by_count = is_counted and (choice is None or 2 * self._counted_chunks <= self._chunks)
        self.ended = bool(self._choice) or ends_by_count

    def build_raw(self) -> dict[str, Any]:
        """See ``Assembly``."""
        message = {"role": "assistant", "content": self.text, "refusal": "".join(self._refusal) or None}
        choice = {"index": 0, "finish_reason": None, **self._choice, "message": message}
        return {**self._envelope, "object": "chat.completion", "choices": [choice]}


class _ResponseAssembly(Assembly):
    """Events of a response: https://platform.openai.com/docs/api-reference/responses-streaming."""

    def __init__(self, provider: str) -> None:
        super().__init__()
        self._provider = provider
        self._response: dict[str, Any] = {}

    def _take(self, event: dict[str, Any]) -> str:
        kind = str(event.get("type"))
        if kind == "response.output_text.delta":
            return str(event.get("delta") or "")
        if kind in _THOUGHTS:
            self.note_thought(event.get("delta"))
            return ""
        # The first events and the last one bring the response as it is by then; the last one is whole.
        self._response = merge_known(self._response, event.get("response"))
        failed = {"error": event} if kind == "error" else self._response
        # Raised here, so that what was written before counts.
        if kind in _FAILURES and (error := error_inside(self._provider, failed)) is not None:
            raise error
        self.ended = self.ended or kind in _LAST_EVENTS
        return ""

    def build_raw(self) -> dict[str, Any]:
        """See ``Assembly``."""
        # Some servers leave the output out of the last event.
        if not self.text or (self.ended and self._response.get("output")):
            return self._response
        written = {"type": "message", "content": [{"type": "output_text", "text": self.text}]}
        return {**self._response, "output": [written]}


def _read_chat(provider: str, raw: dict[str, Any], request_id: str) -> Completion:
    choice = raw["choices"][0]
    message, finish = choice["message"], choice.get("finish_reason")
    # A refusal has a field of its own and leaves the content null.
    text, refusal = wire.join_texts(message.get("content")), message.get("refusal")
    # A server whose model failed in the middle says so here.
    failed = error_inside(provider, choice)
    if failed is not None or finish == "error":
        failed = failed or ServerFailed(provider, "the model failed while it answered")
        if text:
            failed = ConnectionCut(provider, f"broke off while it answered: {failed.detail}")
            failed.partial = PartialAnswer(text)
        failed.raw = raw
        raise failed
    stop = _FINISHED.get(str(finish).lower())
    # Some servers leave the reason out of an answer that is complete.
    if finish is None and text:
        stop = StopReason.END
    return _build_completion(provider, raw, text, StopReason.REFUSAL if refusal else stop, request_id)


def _read_response(provider: str, raw: dict[str, Any], request_id: str) -> Completion:
    # The Responses API reports a failed generation with status 200.
    if raw.get("status") == "failed":
        raise ServerFailed(provider, "the generation failed", raw=raw)
    parts = [part for item in raw["output"] if item["type"] == "message" for part in item["content"]]
    text = wire.join_texts([part for part in parts if part["type"] == "output_text"])
    reason = (raw.get("incomplete_details") or {}).get("reason")
    stop = StopReason.END if raw.get("status") == "completed" else _INCOMPLETE.get(str(reason))
    refused = any(part["type"] == "refusal" for part in parts)
    return _build_completion(provider, raw, text, StopReason.REFUSAL if refused else stop, request_id)


def _build_completion(
    provider: str, raw: dict[str, Any], text: str, stop: StopReason | None, request_id: str
) -> Completion:
    if stop is None or (not text and stop is StopReason.END):
        raise AnswerMissing(provider, "no whole answer, or an unknown reason to stop", raw=raw)
    used, source = usage.read_reported(provider, raw)
    request_id = request_id or str(raw.get("id", ""))
    return Completion(text, stop, used, str(raw.get("model", "")), request_id, raw, source)
