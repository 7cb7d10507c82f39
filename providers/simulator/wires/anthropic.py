"""Anthropic's Messages API: ``/v1/messages`` and ``/v1/messages/count_tokens``."""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from providers.simulator.model_facts import ModelFacts, find_facts
from providers.simulator.schema_rules import SchemaRefused, check_anthropic
from providers.simulator.shape_check import Violation, find_violation
from providers.simulator.wires.base import (
    CachePlan,
    Question,
    RequestRejected,
    SimulatedAnswer,
    StreamEvent,
    check_key,
    count_tokens,
    describe_unplayed,
    format_event,
)

_TTL: Final = {"5m": 300.0, "1h": 3600.0}
_STOPS: Final = {"end": "end_turn", "length": "max_tokens", "refusal": "refusal", "content_filter": "refusal"}
_TYPES: Final = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_INVALID: Final = "invalid_request_error"
# A breakpoint finds what was written at most this many blocks before it.
_LOOKBACK: Final = 20
_BREAKPOINTS: Final = 4
_LEAST_BUDGET: Final = 1024


class AnthropicWire:
    """See ``Wire``."""

    name = "anthropic"

    def read_question(self, path: str, headers: Mapping[str, str], body: dict[str, Any]) -> Question:
        """See ``Wire``. The key may come in ``x-api-key`` or in ``Authorization: Bearer``."""
        check_key(headers.get("x-api-key") or headers.get("authorization", "").removeprefix("Bearer "))
        if not headers.get("anthropic-version"):
            raise RequestRejected(400, _INVALID, "anthropic-version: header is required")
        counting = path.endswith("/count_tokens")
        _check_shape("anthropic-count" if counting else "anthropic-messages", body)
        model = body["model"]
        facts = find_facts(self.name, model)
        if facts is None:
            raise RequestRejected(404, "not_found_error", f"model: {model}")
        blocks = _read_blocks(facts, body)
        config = body.get("output_config") or {}
        schema = (config.get("format") or {}).get("schema")
        _check_schema(model, facts, schema)
        text = "".join(block["text"] for block in blocks)
        question = Question(
            model=model,
            text=text,
            max_tokens=0 if counting else body["max_tokens"],
            facts=facts,
            cache=_plan_cache(body, model, schema, blocks),
            stream=body.get("stream") is True,
            counting=counting,
            schema=schema,
            effort=_read_effort(model, facts, body),
            budget=(body.get("thinking") or {}).get("budget_tokens"),
        )
        if not counting:
            _check_sizes(question)
        return question

    def build_answer(self, asked: Question, answer: SimulatedAnswer) -> dict[str, Any]:
        """See ``Wire``."""
        content: list[dict[str, Any]] = []
        if answer.reasoning_tokens:
            # The thoughts themselves are left out, as the successors do unless they are asked for.
            content.append({"type": "thinking", "thinking": "", "signature": "simulated"})
        if answer.text:
            content.append({"type": "text", "text": answer.text})
        return {
            "id": answer.id,
            "type": "message",
            "role": "assistant",
            "model": asked.model,
            "content": content,
            "stop_reason": _STOPS[answer.stop],
            "stop_sequence": None,
            "usage": self._build_usage(answer),
        }

    def stream_answer(self, asked: Question, answer: SimulatedAnswer) -> Iterator[StreamEvent]:
        """See ``Wire``. While the model thinks, only pings arrive."""
        start = {
            **self.build_answer(asked, answer),
            "content": [],
            "stop_reason": None,
            # The vendor's first event counts one output token; the last event has the sum.
            "usage": {**self._build_usage(answer), "output_tokens": 1},
        }
        start["usage"].pop("output_tokens_details", None)
        yield _name_event({"type": "message_start", "message": start})
        yield _name_event({"type": "ping"})
        index = 0
        if answer.reasoning_tokens:
            yield from _stream_thoughts(answer.reasoning_tokens)
            index = 1
        if answer.text:
            block = {"type": "text", "text": ""}
            yield _name_event({"type": "content_block_start", "index": index, "content_block": block})
            for piece in answer.pieces():
                delta = {"type": "text_delta", "text": piece}
                event = {"type": "content_block_delta", "index": index, "delta": delta}
                yield _name_event(event, count_tokens(piece))
            yield _name_event({"type": "content_block_stop", "index": index})
        end = {"stop_reason": _STOPS[answer.stop], "stop_sequence": None}
        counted = self._build_usage(answer)
        for name in ("cache_creation", "service_tier"):
            counted.pop(name)
        yield _name_event({"type": "message_delta", "delta": end, "usage": counted})
        yield _name_event({"type": "message_stop"})

    def stream_error(self, asked: Question, message: str) -> StreamEvent:  # noqa: ARG002 - the protocol
        """See ``Wire``."""
        return _name_event({"type": "error", "error": {"type": "overloaded_error", "message": message}})

    def build_count(self, asked: Question, tokens: int) -> dict[str, Any]:  # noqa: ARG002 - the protocol
        """See ``Wire``."""
        return {"input_tokens": tokens}

    def build_error(
        self, status: int, code: str, message: str, _retry_after: float | None, param: str = ""
    ) -> dict[str, Any]:
        """See ``Wire``. Anthropic names the field inside the message."""
        kind = code or _TYPES.get(status, "api_error")
        said = f"{param}: {message}" if param else message
        return {"type": "error", "error": {"type": kind, "message": said}, "request_id": "simulated"}

    def reset_headers(self, seconds: float) -> dict[str, str]:
        """See ``Wire``."""
        instant = datetime.now(UTC) + timedelta(seconds=seconds)
        prefix = "anthropic-ratelimit-tokens"
        return {
            f"{prefix}-limit": "200000",
            f"{prefix}-remaining": "0",
            f"{prefix}-reset": instant.isoformat(),
        }

    def _build_usage(self, answer: SimulatedAnswer) -> dict[str, Any]:
        usage = {
            "input_tokens": answer.input_tokens,
            "cache_creation_input_tokens": answer.cache_write_5m + answer.cache_write_1h,
            "cache_read_input_tokens": answer.cache_read,
            "cache_creation": {
                "ephemeral_5m_input_tokens": answer.cache_write_5m,
                "ephemeral_1h_input_tokens": answer.cache_write_1h,
            },
            "output_tokens": answer.output_tokens + answer.reasoning_tokens,
            "service_tier": "standard",
        }
        if answer.reasoning_tokens:
            usage["output_tokens_details"] = {"thinking_tokens": answer.reasoning_tokens}
        return usage


def _name_event(event: dict[str, Any], tokens: int = 0) -> StreamEvent:
    return StreamEvent(format_event(event, event["type"]), tokens)


def _stream_thoughts(tokens: int) -> Iterator[StreamEvent]:
    block = {"type": "thinking", "thinking": "", "signature": ""}
    yield _name_event({"type": "content_block_start", "index": 0, "content_block": block})
    for _ in range(4):
        yield _name_event({"type": "ping"}, tokens // 4)
    signature = {"type": "signature_delta", "signature": "simulated"}
    yield _name_event({"type": "content_block_delta", "index": 0, "delta": signature})
    yield _name_event({"type": "content_block_stop", "index": 0})


def _check_shape(shape: str, body: dict[str, Any]) -> None:
    found = find_violation(shape, body)
    if found is not None:
        raise RequestRejected(400, _INVALID, _describe_violation(found), found.dotted())


def _describe_violation(found: Violation) -> str:
    texts = {
        "unknown": "Extra inputs are not permitted",
        "unplayed": describe_unplayed(found.field),
        "missing": "Field required",
        "value": f"Input should be {' or '.join(repr(one) for one in found.allowed)}",
        "type": f"Input should be a valid {found.allowed[0] if found.allowed else 'value'}",
    }
    return texts[found.kind]


def _read_blocks(facts: ModelFacts, body: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the text blocks in the order of caching: system before messages."""
    if not body["messages"]:
        raise RequestRejected(400, _INVALID, "at least one message is required", "messages")
    if body["messages"][-1]["role"] == "assistant" and not facts.samples:
        message = (
            "This model does not support assistant message prefill. The last message must be the user's."
        )
        raise RequestRejected(400, _INVALID, message)
    found: list[dict[str, Any]] = []
    for content in [body.get("system") or [], *(message["content"] for message in body["messages"])]:
        found += [{"text": content}] if isinstance(content, str) else content
    if not all(block["text"].strip() for block in found):
        message = "text content blocks must contain non-whitespace text"
        raise RequestRejected(400, _INVALID, message, "messages")
    return found


def _check_schema(model: str, facts: ModelFacts, schema: Any) -> None:
    if schema is None:
        return
    if not facts.schemas:
        raise RequestRejected(
            400, _INVALID, f"'{model}' does not support output format.", "output_config.format"
        )
    try:
        check_anthropic(schema)
    except SchemaRefused as refused:
        place = ".".join(map(str, refused.place))
        said = f"{place}: {refused}" if place else str(refused)
        raise RequestRejected(400, _INVALID, said, "output_config.format.schema") from refused


def _read_effort(model: str, facts: ModelFacts, body: dict[str, Any]) -> str:
    """Return how much the model thinks; raises ``RequestRejected`` for what the model does not know."""
    effort = (body.get("output_config") or {}).get("effort")
    if effort and not facts.efforts:
        raise RequestRejected(400, _INVALID, "This model does not support the effort parameter.")
    if effort and effort not in facts.efforts:
        raise RequestRejected(
            400, _INVALID, f"effort '{effort}' is not supported by {model}.", "output_config.effort"
        )
    thinking = body.get("thinking") or {}
    kind = thinking.get("type", "")
    if kind and kind not in facts.thinking:
        allowed = ", ".join(facts.thinking)
        message = f'"thinking.type.{kind}" is not supported for this model. Supported: {allowed}.'
        raise RequestRejected(400, _INVALID, message)
    if kind == "between_tools" and effort in ("xhigh", "max"):
        raise RequestRejected(
            400, _INVALID, f"thinking.type.between_tools is not supported at effort '{effort}'."
        )
    budget = thinking.get("budget_tokens")
    if budget is not None and budget < _LEAST_BUDGET:
        message = f"Input should be greater than or equal to {_LEAST_BUDGET}"
        raise RequestRejected(400, _INVALID, message, "thinking.enabled.budget_tokens")
    if budget is not None and budget >= body.get("max_tokens", budget + 1):
        raise RequestRejected(400, _INVALID, "`max_tokens` must be greater than `thinking.budget_tokens`.")
    # Without tools this setting leaves nothing to think about.
    if kind in ("disabled", "between_tools"):
        return ""
    if kind in ("adaptive", "enabled"):
        return effort or facts.default_effort or "high"
    return (effort or facts.default_effort) if facts.default_effort else ""


def _plan_cache(body: dict[str, Any], model: str, schema: Any, blocks: list[dict[str, Any]]) -> CachePlan:
    marks = [
        (place, block["cache_control"]) for place, block in enumerate(blocks) if block.get("cache_control")
    ]
    if body.get("cache_control") and blocks:
        marks.append((len(blocks) - 1, body["cache_control"]))
    if len(marks) > _BREAKPOINTS:
        message = (
            f"A maximum of {_BREAKPOINTS} blocks with cache_control may be provided. Found {len(marks)}."
        )
        raise RequestRejected(400, _INVALID, message)
    lives = [_TTL[mark.get("ttl", "5m")] for _, mark in marks]
    if lives != sorted(lives, reverse=True):
        raise RequestRejected(
            400, _INVALID, "a ttl='1h' cache_control block must not come after a ttl='5m' one"
        )
    reads = {near for place, _ in marks for near in range(max(0, place - _LOOKBACK), place + 1)}
    # What shapes the answer is written into the prompt before everything else, so it is part of the key.
    scope = f"anthropic {model} {json.dumps(schema, sort_keys=True)}"
    writes = tuple((place, life) for (place, _), life in zip(marks, lives, strict=True))
    return CachePlan(tuple(block["text"] for block in blocks), scope, writes, frozenset(reads))


def _check_sizes(asked: Question) -> None:
    if asked.max_tokens < 1:
        raise RequestRejected(400, _INVALID, "Input should be greater than or equal to 1", "max_tokens")
    if asked.max_tokens > asked.facts.output:
        message = (
            f"{asked.max_tokens} > {asked.facts.output}, which is the maximum allowed number of output "
            f"tokens for {asked.model}"
        )
        raise RequestRejected(400, _INVALID, message, "max_tokens")
    prompt = asked.prompt_tokens
    if prompt > asked.facts.window:
        raise RequestRejected(
            400, _INVALID, f"prompt is too long: {prompt} tokens > {asked.facts.window} maximum"
        )
