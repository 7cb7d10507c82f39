"""Anthropic's Messages API: ``/v1/messages`` and ``/v1/messages/count_tokens``."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from providers.simulator.wires.base import (
    Question,
    RequestRejected,
    SimulatedAnswer,
    check_key,
    format_event,
    read_whole_number,
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


class AnthropicWire:
    """See ``Wire``."""

    name = "anthropic"

    def read_question(self, path: str, headers: Mapping[str, str], body: dict[str, Any]) -> Question:
        """See ``Wire``. The key may come in ``x-api-key`` or in ``Authorization: Bearer``."""
        check_key(headers.get("x-api-key") or headers.get("authorization", "").removeprefix("Bearer "))
        if not headers.get("anthropic-version"):
            raise RequestRejected(400, "invalid_request_error", "anthropic-version: header is required")
        model = str(body.get("model", ""))
        if not model.startswith("claude-"):
            raise RequestRejected(404, "not_found_error", f"model: {model}")
        counting = path.endswith("/count_tokens")
        text, prefixes = "", []
        for block in _read_blocks(body):
            text += str(block.get("text", ""))
            if block.get("cache_control"):
                prefixes.append((text, _TTL[block["cache_control"].get("ttl", "5m")]))
        return Question(
            model=model,
            text=text,
            max_tokens=0 if counting else read_whole_number(body, "max_tokens"),
            stream=body.get("stream") is True,
            counting=counting,
            prefixes=tuple(prefixes),
        )

    def build_answer(self, asked: Question, answer: SimulatedAnswer) -> dict[str, Any]:
        """See ``Wire``."""
        return {
            "id": answer.id,
            "type": "message",
            "role": "assistant",
            "model": asked.model,
            "content": [{"type": "text", "text": answer.text}] if answer.text else [],
            "stop_reason": _STOPS[answer.stop],
            "stop_sequence": None,
            "usage": self._build_usage(answer),
        }

    def stream_answer(self, asked: Question, answer: SimulatedAnswer) -> Iterator[bytes]:
        """See ``Wire``."""
        start = {
            **self.build_answer(asked, answer),
            "content": [],
            "stop_reason": None,
            # The vendor's first event counts one output token; the last event has the sum.
            "usage": {**self._build_usage(answer), "output_tokens": 1},
        }
        yield format_event({"type": "message_start", "message": start}, "message_start")
        block = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
        yield format_event(block, "content_block_start")
        for piece in answer.pieces():
            delta = {
                "type": "content_block_delta",
                "index": 0,
                "delta": {"type": "text_delta", "text": piece},
            }
            yield format_event(delta, "content_block_delta")
        yield format_event({"type": "content_block_stop", "index": 0}, "content_block_stop")
        end = {"stop_reason": _STOPS[answer.stop], "stop_sequence": None}
        yield format_event(
            {"type": "message_delta", "delta": end, "usage": {"output_tokens": answer.output_tokens}},
            "message_delta",
        )
        yield format_event({"type": "message_stop"}, "message_stop")

    def build_count(self, asked: Question, tokens: int) -> dict[str, Any]:  # noqa: ARG002 - the protocol
        """See ``Wire``."""
        return {"input_tokens": tokens}

    def build_error(self, status: int, code: str, message: str, _retry_after: float | None) -> dict[str, Any]:
        """See ``Wire``."""
        kind = code or _TYPES.get(status, "api_error")
        return {"type": "error", "error": {"type": kind, "message": message}, "request_id": "simulated"}

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
        return {
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


def _read_blocks(body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise RequestRejected(400, "invalid_request_error", "messages: at least one message is required")
    # The order of caching at the vendor: system before messages.
    for content in [body.get("system") or [], *(message.get("content", "") for message in messages)]:
        yield from [{"text": content}] if isinstance(content, str) else content
