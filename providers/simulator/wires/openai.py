"""OpenAI's chat completions, responses and input token counts, under ``/v1``."""

import json
import re
import time
from collections.abc import Iterator, Mapping
from typing import Any, Final

from providers.simulator.model_facts import ModelFacts, find_facts
from providers.simulator.schema_rules import SchemaRefused, check_openai
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

_FINISHED: Final = {"end": "stop", "length": "length", "refusal": "stop", "content_filter": "content_filter"}
_CODES: Final = {401: "invalid_api_key", 404: "model_not_found", 429: "rate_limit_exceeded"}
_INVALID: Final = "invalid_request_error"
_LEAST_OUTPUT: Final = 16
_TTL: Final = {"30m": 1800.0, "12h": 43_200.0}
_BREAKPOINTS: Final = 4
_JSON: Final = re.compile("json", re.IGNORECASE)
# Chat has two names for the limit, the older and the newer; responses have a third.
_LIMITS: Final = ("max_tokens", "max_completion_tokens", "max_output_tokens")


class OpenAIWire:
    """See ``Wire``."""

    name = "openai"

    def read_question(self, path: str, headers: Mapping[str, str], body: dict[str, Any]) -> Question:
        """See ``Wire``."""
        check_key(headers.get("authorization", "").removeprefix("Bearer "))
        route = "chat" if path.endswith("/chat/completions") else "responses"
        counting = path.endswith("/input_tokens")
        _check_shape("openai-count" if counting else f"openai-{route}", body, route)
        model = body["model"]
        facts = find_facts(self.name, model)
        if facts is None:
            raise RequestRejected(
                404, "model_not_found", f"The model `{model}` does not exist or you do not have access to it."
            )
        messages = _read_messages(body, route)
        text = "\n".join(part["text"] for _, parts in messages for part in parts)
        schema, json_only = _read_format(model, facts, body, route, text)
        question = Question(
            model=model,
            text=text,
            max_tokens=next((body[name] for name in _LIMITS if body.get(name) is not None), 0),
            facts=facts,
            cache=_plan_cache(body, facts, schema, messages),
            route=route,
            stream=body.get("stream") is True,
            counting=counting,
            schema=schema,
            json_only=json_only,
            effort=_read_effort(model, facts, body),
            usage_in_stream=route != "chat" or bool((body.get("stream_options") or {}).get("include_usage")),
        )
        if not counting:
            _check_sampling(facts, body)
            _check_sizes(question, body)
        return question

    def build_answer(self, asked: Question, answer: SimulatedAnswer) -> dict[str, Any]:
        """See ``Wire``."""
        build = self._build_chat if asked.route == "chat" else self._build_response
        return build(asked, answer)

    def stream_answer(self, asked: Question, answer: SimulatedAnswer) -> Iterator[StreamEvent]:
        """See ``Wire``. While the model thinks, nothing arrives."""
        stream = self._stream_chat if asked.route == "chat" else self._stream_response
        yield from stream(asked, answer)

    def stream_error(self, asked: Question, message: str) -> StreamEvent:
        """See ``Wire``."""
        error = {"type": "server_error", "code": "server_error", "message": message, "param": None}
        if asked.route == "chat":
            return StreamEvent(format_event({"error": error}))
        return StreamEvent(format_event({**error, "type": "error", "sequence_number": 99}, "error"))

    def build_count(self, asked: Question, tokens: int) -> dict[str, Any]:  # noqa: ARG002 - the protocol
        """See ``Wire``."""
        return {"object": "response.input_tokens", "input_tokens": tokens}

    def build_error(
        self, status: int, code: str, message: str, _retry_after: float | None, param: str = ""
    ) -> dict[str, Any]:
        """See ``Wire``."""
        kind = "server_error" if status >= 500 else _INVALID
        known = code or _CODES.get(status)
        # Where no code of its own exists, the vendor leaves it out rather than repeat the type.
        return {
            "error": {
                "message": message,
                "type": kind,
                "param": param or None,
                "code": None if known == _INVALID else known,
            }
        }

    def reset_headers(self, seconds: float) -> dict[str, str]:
        """See ``Wire``."""
        return {"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": f"{seconds:g}s"}

    def _stream_chat(self, asked: Question, answer: SimulatedAnswer) -> Iterator[StreamEvent]:
        base = {
            "id": answer.id,
            "object": "chat.completion.chunk",
            "created": int(time.time()),
            "model": asked.model,
        }

        def chunk(delta: dict[str, Any], finish: str | None = None) -> bytes:
            return format_event({**base, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})

        yield StreamEvent(chunk({"role": "assistant", "content": ""}), answer.reasoning_tokens)
        if answer.stop == "refusal":
            yield StreamEvent(chunk({"refusal": "I cannot."}))
        for piece in answer.pieces() if answer.text else ():
            yield StreamEvent(chunk({"content": piece}), count_tokens(piece))
        yield StreamEvent(chunk({}, _FINISHED[answer.stop]))
        # The usage comes last, in a chunk without choices, and only to those who asked for it.
        if asked.usage_in_stream:
            counted = self._build_chat(asked, answer)["usage"]
            yield StreamEvent(format_event({**base, "choices": [], "usage": counted}))
        yield StreamEvent(format_event("[DONE]"))

    def _build_chat(self, asked: Question, answer: SimulatedAnswer) -> dict[str, Any]:
        refused = answer.stop == "refusal"
        message = {
            "role": "assistant",
            "content": None if refused else answer.text,
            "refusal": "I cannot." if refused else None,
        }
        choice = {"index": 0, "message": message, "finish_reason": _FINISHED[answer.stop], "logprobs": None}
        completion = answer.output_tokens + answer.reasoning_tokens
        return {
            "id": answer.id,
            "object": "chat.completion",
            "created": int(time.time()),
            "model": asked.model,
            "choices": [choice],
            "usage": {
                "prompt_tokens": answer.prompt_tokens,
                "completion_tokens": completion,
                "total_tokens": answer.prompt_tokens + completion,
                "prompt_tokens_details": {
                    "cached_tokens": answer.cache_read,
                    "cache_write_tokens": answer.cache_write_5m,
                    "audio_tokens": 0,
                },
                "completion_tokens_details": {"reasoning_tokens": answer.reasoning_tokens},
            },
        }

    def _build_response(self, asked: Question, answer: SimulatedAnswer) -> dict[str, Any]:
        incomplete = {"length": "max_output_tokens", "content_filter": "content_filter"}.get(answer.stop)
        completion = answer.output_tokens + answer.reasoning_tokens
        return {
            "id": answer.id,
            "object": "response",
            "created_at": time.time(),
            "model": asked.model,
            "status": "incomplete" if incomplete else "completed",
            "error": None,
            "incomplete_details": {"reason": incomplete} if incomplete else None,
            "output": _build_items(answer),
            "parallel_tool_calls": True,
            "tool_choice": "auto",
            "tools": [],
            "usage": {
                "input_tokens": answer.prompt_tokens,
                "input_tokens_details": {
                    "cached_tokens": answer.cache_read,
                    "cache_write_tokens": answer.cache_write_5m,
                },
                "output_tokens": completion,
                "output_tokens_details": {"reasoning_tokens": answer.reasoning_tokens},
                "total_tokens": answer.prompt_tokens + completion,
            },
        }

    def _stream_response(self, asked: Question, answer: SimulatedAnswer) -> Iterator[StreamEvent]:
        done = self._build_response(asked, answer)
        number = -1

        def event(kind: str, tokens: int = 0, **fields: Any) -> StreamEvent:
            nonlocal number
            number += 1
            return StreamEvent(
                format_event({"type": kind, "sequence_number": number, **fields}, kind), tokens
            )

        opened = {**done, "status": "in_progress", "incomplete_details": None, "output": [], "usage": None}
        yield event("response.created", response=opened)
        yield event("response.in_progress", response=opened)
        for index, item in enumerate(done["output"]):
            tokens = answer.reasoning_tokens if item["type"] == "reasoning" else 0
            empty = {**item, "content": [], "status": "in_progress"} if "content" in item else item
            yield event("response.output_item.added", tokens, output_index=index, item=empty)
            for part in item.get("content", ()):
                place = {"item_id": item["id"], "output_index": index, "content_index": 0}
                blank = {**part, "text": ""} if "text" in part else {**part, "refusal": ""}
                yield event("response.content_part.added", **place, part=blank)
                yield from self._stream_part(event, place, part, answer)
                yield event("response.content_part.done", **place, part=part)
            yield event("response.output_item.done", output_index=index, item=item)
        yield event(f"response.{done['status']}", response=done)

    def _stream_part(
        self, event: Any, place: dict[str, Any], part: dict[str, Any], answer: SimulatedAnswer
    ) -> Iterator[StreamEvent]:
        if part["type"] == "refusal":
            yield event("response.refusal.delta", **place, delta=part["refusal"])
            yield event("response.refusal.done", **place, refusal=part["refusal"])
            return
        for piece in answer.pieces():
            tokens = count_tokens(piece)
            yield event("response.output_text.delta", tokens, **place, delta=piece, logprobs=[])
        yield event("response.output_text.done", **place, text=part["text"], logprobs=[])


def _build_items(answer: SimulatedAnswer) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    if answer.reasoning_tokens:
        items.append({"id": f"{answer.id}-0", "type": "reasoning", "summary": []})
    part = {"type": "output_text", "text": answer.text, "annotations": []}
    content = {"type": "refusal", "refusal": "I cannot."} if answer.stop == "refusal" else part
    # A model that spent its whole ceiling on thinking has no message at all.
    if answer.text or answer.stop in ("end", "refusal"):
        items.append(
            {
                "id": f"{answer.id}-1",
                "type": "message",
                "role": "assistant",
                "status": "incomplete" if answer.stop == "length" else "completed",
                "content": [content],
            }
        )
    return items


def _check_shape(shape: str, body: dict[str, Any], route: str) -> None:
    found = find_violation(shape, body)
    if found is None:
        return
    code, message = _describe_violation(found, route)
    raise RequestRejected(400, code, message, found.indexed())


def _describe_violation(found: Violation, route: str) -> tuple[str, str]:
    """Return the vendor's code and message."""
    name = found.indexed()
    unknown = (
        f"Unrecognized request argument supplied: {name}"
        if route == "chat"
        else f"Unknown parameter: '{name}'."
    )
    wanted = ", ".join(repr(one) for one in found.allowed)
    texts = {
        "unknown": ("unknown_parameter", unknown),
        "unplayed": ("unsupported_parameter", describe_unplayed(found.field)),
        "missing": ("missing_required_parameter", f"Missing required parameter: '{name}'."),
        "value": ("invalid_value", f"Invalid value: '{found.given}'. Supported values are: {wanted}."),
        "type": ("invalid_type", f"Invalid type for '{name}': expected {wanted}."),
    }
    return texts[found.kind]


def _read_messages(body: dict[str, Any], route: str) -> list[tuple[str, list[dict[str, Any]]]]:
    """Return the role and the parts of each message, instructions first."""
    given = body["messages"] if route == "chat" else body.get("input") or ""
    if not given and not body.get("instructions"):
        field = "messages" if route == "chat" else "input"
        raise RequestRejected(
            400, "empty_array", f"Invalid '{field}': at least one message is required.", field
        )
    if isinstance(given, str):
        given = [{"role": "user", "content": given}]
    instructions = [{"role": "system", "content": body["instructions"]}] if body.get("instructions") else []
    messages = []
    for message in [*instructions, *given]:
        content = message.get("content") or ""
        parts = [{"text": content}] if isinstance(content, str) else content
        messages.append((message["role"], parts))
    return messages


def _read_format(
    model: str, facts: ModelFacts, body: dict[str, Any], route: str, text: str
) -> tuple[Mapping[str, Any] | None, bool]:
    """Return the schema that binds the answer, and whether it must be JSON at all."""
    param = "response_format" if route == "chat" else "text.format"
    asked = body.get("response_format") if route == "chat" else (body.get("text") or {}).get("format")
    kind = (asked or {}).get("type", "text")
    if kind == "json_object":
        if not facts.json_only:
            message = f"Invalid parameter: '{param}' of type 'json_object' is not supported with this model."
            raise RequestRejected(400, _INVALID, message, param)
        if not _JSON.search(text):
            message = "'messages' must contain the word 'json' in some form, to use 'json_object'."
            raise RequestRejected(400, _INVALID, message, param)
        return None, True
    if asked is None or kind != "json_schema":
        return None, False
    if not facts.schemas:
        message = f"Invalid parameter: '{param}' of type 'json_schema' is not supported with model {model}."
        raise RequestRejected(400, _INVALID, message, param)
    named = asked["json_schema"] if route == "chat" else asked
    schema, strict = named.get("schema") or {}, named.get("strict") is True
    try:
        check_openai(named["name"], schema, strict=strict)
    except SchemaRefused as refused:
        where = "" if refused.place == ("name",) else f"In context={refused.place}, "
        message = f"Invalid schema for response_format '{named['name']}': {where}{refused}"
        raise RequestRejected(400, "invalid_json_schema", message, f"{param}.schema") from refused
    # Without strict mode the schema is a wish; the answer is still some JSON.
    return (schema, True) if strict else (None, True)


def _read_effort(model: str, facts: ModelFacts, body: dict[str, Any]) -> str:
    """Return how much the model thinks; raises ``RequestRejected`` for what the model does not know."""
    param = "reasoning_effort" if "reasoning_effort" in body else "reasoning.effort"
    effort = body.get("reasoning_effort") or (body.get("reasoning") or {}).get("effort")
    if effort and not facts.efforts:
        message = f"Unsupported parameter: '{param}' is not supported with this model."
        raise RequestRejected(400, "unsupported_parameter", message, param)
    if effort and effort not in facts.efforts:
        wanted = ", ".join(repr(one) for one in facts.efforts)
        message = (
            f"Unsupported value: '{param}' does not support '{effort}' with the '{model}' model. "
            f"Supported values are: {wanted}."
        )
        raise RequestRejected(400, "unsupported_value", message, param)
    effort = effort or facts.default_effort
    return "" if effort == "none" else effort


def _plan_cache(
    body: dict[str, Any],
    facts: ModelFacts,
    schema: Mapping[str, Any] | None,
    messages: list[tuple[str, list[dict[str, Any]]]],
) -> CachePlan:
    options = body.get("prompt_cache_options")
    retained = body.get("prompt_cache_retention")
    marks, ends, blocks = [], [], []
    for role, parts in messages:
        for part in parts:
            blocks.append(f"{role}\n{part['text']}")
            if part.get("prompt_cache_breakpoint"):
                marks.append((len(blocks) - 1, part["prompt_cache_breakpoint"]))
        ends.append(len(blocks) - 1)
    # The schema comes before the first message, and the key decides which machine's cache is asked.
    key = body.get("prompt_cache_key") or ""
    scope = f"openai {body['model']} {key} {json.dumps(schema, sort_keys=True)}"
    if not facts.writes_billed:
        if options is not None or marks:
            param = "prompt_cache_options" if options is not None else "prompt_cache_breakpoint"
            message = f"Unsupported parameter: '{param}' is not supported with this model."
            raise RequestRejected(400, "unsupported_parameter", message, param)
        return CachePlan(tuple(blocks), scope, automatic=True)
    if options and options.get("ttl") and retained:
        message = "'prompt_cache_options.ttl' and 'prompt_cache_retention' cannot be used together."
        raise RequestRejected(400, "invalid_request_error", message, "prompt_cache_options.ttl")
    implicit = (options or {}).get("mode", "implicit") == "implicit"
    if len(marks) > _BREAKPOINTS:
        message = f"At most {_BREAKPOINTS} breakpoints can be written in one request."
        raise RequestRejected(400, _INVALID, message, "prompt_cache_breakpoint")
    life = _TTL[(options or {}).get("ttl", "30m")]
    written = {place: _TTL[mark["ttl"]] if "ttl" in mark else life for place, mark in marks}
    if implicit:
        # OpenAI's own breakpoint takes one of the four places.
        written = dict(list(written.items())[-(_BREAKPOINTS - 1) :]) | {ends[-1]: life}
    return CachePlan(
        tuple(blocks),
        scope,
        tuple(sorted(written.items())),
        frozenset({*ends, *(place for place, _ in marks)}),
    )


def _check_sampling(facts: ModelFacts, body: dict[str, Any]) -> None:
    for name in ("temperature", "top_p"):
        if body.get(name) is not None and not facts.samples:
            message = f"Unsupported parameter: '{name}' is not supported with this model."
            raise RequestRejected(400, "unsupported_parameter", message, name)


def _check_sizes(asked: Question, body: dict[str, Any]) -> None:
    param = next((name for name in _LIMITS if body.get(name) is not None), "")
    if body.get("max_tokens") is not None and body.get("max_completion_tokens") is not None:
        message = "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported."
        raise RequestRejected(400, "invalid_parameter_combination", message, "max_tokens")
    if param == "max_tokens" and asked.facts.efforts:
        message = (
            "Unsupported parameter: 'max_tokens' is not supported with this model. "
            "Use 'max_completion_tokens' instead."
        )
        raise RequestRejected(400, "unsupported_parameter", message, param)
    least = _LEAST_OUTPUT if param == "max_output_tokens" else 1
    if param and asked.max_tokens < least:
        message = (
            f"Invalid '{param}': integer below minimum value. Expected a value >= {least}, "
            f"but got {asked.max_tokens}."
        )
        raise RequestRejected(400, "integer_below_min_value", message, param)
    if asked.max_tokens > asked.facts.output:
        message = (
            f"{param} is too large: {asked.max_tokens}. This model supports at most {asked.facts.output} "
            f"completion tokens, whereas you provided {asked.max_tokens}."
        )
        raise RequestRejected(400, "invalid_value", message, param)
    prompt = asked.prompt_tokens
    # The window of a model holds the question and the answer.
    if prompt + asked.max_tokens > asked.facts.window:
        message = (
            f"This model's maximum context length is {asked.facts.window} tokens. However, your messages "
            f"resulted in {prompt} tokens and {asked.max_tokens} were asked for. Please reduce the length of "
            "the messages."
        )
        raise RequestRejected(400, "context_length_exceeded", message, "messages")
