"""OpenAI's chat completions, responses and input token counts, under ``/v1``."""

import re
import time
from collections.abc import Iterator, Mapping
from typing import Any, Final

from providers.simulator.wires.base import Question, RequestRejected, SimulatedAnswer, check_key, format_event

_MODELS: Final = re.compile(r"(gpt-|chatgpt-|codex-|ft:|o\d|local-)")
_REASONING: Final = re.compile(r"(o\d|gpt-([5-9]|\d\d)|codex-)")
_OLD: Final = re.compile(r"gpt-(4-turbo|4$|3\.5)")
# What these older models may write in one answer.
_OLD_OUTPUT_CAP: Final = 4096
_FINISHED: Final = {"end": "stop", "length": "length", "refusal": "stop", "content_filter": "content_filter"}
_CODES: Final = {401: "invalid_api_key", 404: "model_not_found", 429: "rate_limit_exceeded"}


class OpenAIWire:
    """See ``Wire``."""

    name = "openai"

    def read_question(self, path: str, headers: Mapping[str, str], body: dict[str, Any]) -> Question:
        """See ``Wire``."""
        check_key(headers.get("authorization", "").removeprefix("Bearer "))
        model = str(body.get("model", ""))
        if not _MODELS.match(model):
            raise RequestRejected(
                404, "model_not_found", f"The model `{model}` does not exist or you do not have access to it."
            )
        route = "chat" if path.endswith("/chat/completions") else "responses"
        counting = path.endswith("/input_tokens")
        # Chat has two names for the limit, the older and the newer; responses have a third.
        limits = [body.get(name) for name in ("max_tokens", "max_completion_tokens", "max_output_tokens")]
        limit = next((one for one in limits if isinstance(one, int)), 0)
        _check_old_model(model, limit, body)
        return Question(
            model=model,
            text=_chat_text(body) if route == "chat" else _response_text(body),
            max_tokens=limit,
            route=route,
            stream=body.get("stream") is True,
            counting=counting,
            thinks=bool(_REASONING.match(model)),
        )

    def build_answer(self, asked: Question, answer: SimulatedAnswer) -> dict[str, Any]:
        """See ``Wire``."""
        return (
            self._build_chat(asked, answer) if asked.route == "chat" else self._build_response(asked, answer)
        )

    def stream_answer(self, asked: Question, answer: SimulatedAnswer) -> Iterator[bytes]:
        """See ``Wire``."""
        if asked.route != "chat":
            yield from self._response_events(asked, answer)
            return
        base = {
            "id": answer.id,
            "object": "chat.completion.chunk",
            "created": int(time.time()),
            "model": asked.model,
        }
        for piece in answer.pieces():
            yield format_event(
                {
                    **base,
                    "choices": [
                        {"index": 0, "delta": {"role": "assistant", "content": piece}, "finish_reason": None}
                    ],
                }
            )
        yield format_event(
            {**base, "choices": [{"index": 0, "delta": {}, "finish_reason": _FINISHED[answer.stop]}]}
        )
        # The usage comes last, in a chunk without choices, as with ``include_usage``.
        yield format_event({**base, "choices": [], "usage": self._build_chat(asked, answer)["usage"]})
        yield format_event("[DONE]")

    def build_count(self, asked: Question, tokens: int) -> dict[str, Any]:  # noqa: ARG002 - the protocol
        """See ``Wire``."""
        return {"object": "response.input_tokens", "input_tokens": tokens}

    def build_error(self, status: int, code: str, message: str, _retry_after: float | None) -> dict[str, Any]:
        """See ``Wire``."""
        kind = "server_error" if status >= 500 else "invalid_request_error"
        return {
            "error": {"message": message, "type": kind, "param": None, "code": code or _CODES.get(status)}
        }

    def reset_headers(self, seconds: float) -> dict[str, str]:
        """See ``Wire``."""
        return {"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": f"{seconds:g}s"}

    def _build_chat(self, asked: Question, answer: SimulatedAnswer) -> dict[str, Any]:
        refused = answer.stop == "refusal"
        message = {
            "role": "assistant",
            "content": None if refused else answer.text,
            "refusal": "I cannot." if refused else None,
        }
        choice = {"index": 0, "message": message, "finish_reason": _FINISHED[answer.stop], "logprobs": None}
        prompt, completion = (
            answer.input_tokens + answer.cache_read,
            answer.output_tokens + answer.reasoning_tokens,
        )
        return {
            "id": answer.id,
            "object": "chat.completion",
            "created": int(time.time()),
            "model": asked.model,
            "choices": [choice],
            "usage": {
                "prompt_tokens": prompt,
                "completion_tokens": completion,
                "total_tokens": prompt + completion,
                "prompt_tokens_details": {"cached_tokens": answer.cache_read, "audio_tokens": 0},
                "completion_tokens_details": {"reasoning_tokens": answer.reasoning_tokens},
            },
        }

    def _build_response(self, asked: Question, answer: SimulatedAnswer) -> dict[str, Any]:
        part = {"type": "output_text", "text": answer.text, "annotations": []}
        content = {"type": "refusal", "refusal": "I cannot."} if answer.stop == "refusal" else part
        incomplete = {"length": "max_output_tokens", "content_filter": "content_filter"}.get(answer.stop)
        prompt, completion = (
            answer.input_tokens + answer.cache_read,
            answer.output_tokens + answer.reasoning_tokens,
        )
        item = {
            "id": f"{answer.id}-1",
            "type": "message",
            "role": "assistant",
            "status": "completed",
            "content": [content],
        }
        return {
            "id": answer.id,
            "object": "response",
            "created_at": time.time(),
            "model": asked.model,
            "status": "incomplete" if incomplete else "completed",
            "error": None,
            "incomplete_details": {"reason": incomplete} if incomplete else None,
            "output": [{"id": f"{answer.id}-0", "type": "reasoning", "summary": []}, item],
            "parallel_tool_calls": True,
            "tool_choice": "auto",
            "tools": [],
            "usage": {
                "input_tokens": prompt,
                "input_tokens_details": {"cached_tokens": answer.cache_read, "cache_write_tokens": 0},
                "output_tokens": completion,
                "output_tokens_details": {"reasoning_tokens": answer.reasoning_tokens},
                "total_tokens": prompt + completion,
            },
        }

    def _response_events(self, asked: Question, answer: SimulatedAnswer) -> Iterator[bytes]:
        done = self._build_response(asked, answer)
        opened = {**done, "status": "in_progress", "output": [], "usage": None}
        yield format_event(
            {"type": "response.created", "sequence_number": 0, "response": opened}, "response.created"
        )
        place = {"item_id": f"{answer.id}-1", "output_index": 1, "content_index": 0}
        for number, piece in enumerate(answer.pieces(), start=1):
            delta = {
                "type": "response.output_text.delta",
                "sequence_number": number,
                **place,
                "delta": piece,
                "logprobs": [],
            }
            yield format_event(delta, "response.output_text.delta")
        name = f"response.{done['status']}"
        yield format_event(
            {"type": name, "sequence_number": len(answer.pieces()) + 1, "response": done}, name
        )


def _check_old_model(model: str, limit: int, body: dict[str, Any]) -> None:
    """Refuse what GPT-4 Turbo and its like refuse, so that a flow that would fail there fails here."""
    if not _OLD.match(model):
        return
    if limit > _OLD_OUTPUT_CAP:
        raise RequestRejected(
            400,
            "invalid_value",
            f"max_tokens is too large: {limit}. This model supports at most {_OLD_OUTPUT_CAP}.",
        )
    if (body.get("response_format") or {}).get("type") == "json_schema":
        raise RequestRejected(
            400,
            "invalid_request_error",
            f"response_format of type 'json_schema' is not supported with {model}.",
        )


def _content_text(content: Any) -> str:
    if isinstance(content, str):
        return content
    return "".join(str(part.get("text", "")) for part in content or ())


def _chat_text(body: dict[str, Any]) -> str:
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise RequestRejected(400, "invalid_request_error", "messages: at least one message is required")
    return "\n".join(_content_text(message.get("content")) for message in messages)


def _response_text(body: dict[str, Any]) -> str:
    given = body.get("input") or ""
    parts = [given] if isinstance(given, str) else [_content_text(item.get("content")) for item in given]
    return "\n".join([str(body.get("instructions") or ""), *parts])
