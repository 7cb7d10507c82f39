"""Gemini: ``generateContent``, ``streamGenerateContent``, ``countTokens``, under ``/v1`` and ``/v1beta``."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from providers.simulator.model_facts import ModelFacts, find_facts
from providers.simulator.schema_rules import SchemaRefused, check_google
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

_PATH: Final = re.compile(
    r"/v1(?:beta)?/models/([^:/]+):(generateContent|streamGenerateContent|countTokens)$"
)
_STOPS: Final = {
    "end": "STOP",
    "length": "MAX_TOKENS",
    "refusal": "PROHIBITED_CONTENT",
    "content_filter": "SAFETY",
}
_STATUSES: Final = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_CAPITAL: Final = re.compile(r"(?<=[a-z])([A-Z])")
_JSON: Final = "application/json"


class GoogleWire:
    """See ``Wire``."""

    name = "google"

    def read_question(self, path: str, headers: Mapping[str, str], body: dict[str, Any]) -> Question:
        """See ``Wire``. A wrong key gets 400 and the reason ``API_KEY_INVALID``."""
        try:
            check_key(headers.get("x-goog-api-key", ""))
        except RequestRejected as refused:
            raise RequestRejected(
                400, "API_KEY_INVALID", "API key not valid. Please pass a valid API key."
            ) from refused
        found = _PATH.search(path)
        model, method = (found[1], found[2]) if found else ("", "")
        facts = find_facts(self.name, model)
        if facts is None:
            raise RequestRejected(
                404,
                "",
                f"models/{model} is not found for API version v1, or is not supported for generateContent.",
            )
        counting = method == "countTokens"
        _check_shape("google-count" if counting else "google-generate", body)
        # ``countTokens`` takes either the contents or a whole request.
        inner = body.get("generateContentRequest") or body
        config = inner.get("generationConfig") or {}
        if inner.get("systemInstruction") and not facts.instructions:
            raise RequestRejected(400, "", f"Developer instruction is not enabled for models/{model}")
        if config.get("responseMimeType") == _JSON and not facts.json_only:
            raise RequestRejected(400, "", f"JSON mode is not enabled for models/{model}")
        contents = [inner.get("systemInstruction") or {}, *(inner.get("contents") or [])]
        blocks = [str(part.get("text") or "") for content in contents for part in content.get("parts") or ()]
        if not any(blocks):
            raise RequestRejected(400, "", "GenerateContentRequest.contents: contents is not specified")
        question = Question(
            model=model,
            text="\n".join(blocks),
            max_tokens=config.get("maxOutputTokens") or 0,
            facts=facts,
            cache=CachePlan(tuple(blocks), f"google {model}", automatic=True),
            route=method,
            stream=method == "streamGenerateContent",
            counting=counting,
            schema=_read_schema(config),
            json_only=config.get("responseMimeType") == _JSON,
            effort=_read_effort(facts, config),
            budget=_read_budget(config),
        )
        if not counting:
            _check_sizes(question, config)
        return question

    def build_answer(self, asked: Question, answer: SimulatedAnswer) -> dict[str, Any]:
        """See ``Wire``."""
        content: dict[str, Any] = {"role": "model"}
        if answer.text:
            content["parts"] = [{"text": answer.text}]
        return {
            "candidates": [{"content": content, "finishReason": _STOPS[answer.stop], "index": 0}],
            "usageMetadata": _build_usage(answer, answer.output_tokens),
            "modelVersion": asked.model,
            "responseId": answer.id,
        }

    def stream_answer(self, asked: Question, answer: SimulatedAnswer) -> Iterator[StreamEvent]:
        """See ``Wire``. Each chunk has the usage so far; the last one says why the answer stopped."""
        pieces = answer.pieces()
        # Before the first chunk the model thinks, and nothing arrives.
        tokens, sent = answer.reasoning_tokens, 0
        for piece in pieces[:-1]:
            tokens += count_tokens(piece)
            sent += count_tokens(piece)
            chunk = {
                "candidates": [{"content": {"role": "model", "parts": [{"text": piece}]}, "index": 0}],
                "usageMetadata": _build_usage(answer, min(sent, answer.output_tokens)),
                "modelVersion": asked.model,
                "responseId": answer.id,
            }
            yield StreamEvent(format_event(chunk), tokens)
            tokens = 0
        last = self.build_answer(asked, answer)
        if answer.text:
            last["candidates"][0]["content"]["parts"] = [{"text": pieces[-1]}]
        yield StreamEvent(format_event(last), tokens + count_tokens(pieces[-1]))

    def stream_error(self, asked: Question, message: str) -> StreamEvent:  # noqa: ARG002 - the protocol
        """See ``Wire``."""
        return StreamEvent(format_event(self.build_error(503, "", message, None)))

    def build_count(self, asked: Question, tokens: int) -> dict[str, Any]:  # noqa: ARG002 - the protocol
        """See ``Wire``."""
        return {"totalTokens": tokens, "promptTokensDetails": [{"modality": "TEXT", "tokenCount": tokens}]}

    def build_error(
        self, status: int, code: str, message: str, retry_after: float | None, param: str = ""
    ) -> dict[str, Any]:
        """See ``Wire``."""
        details: list[dict[str, Any]] = []
        if param:
            details.append(
                {
                    "@type": "type.googleapis.com/google.rpc.BadRequest",
                    "fieldViolations": [{"field": param, "description": message}],
                }
            )
        if code:
            details.append(
                {
                    "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                    "reason": code,
                    "domain": "googleapis.com",
                }
            )
        if retry_after is not None:
            details.append(
                {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": f"{retry_after:g}s"}
            )
        kind = _STATUSES.get(status, "UNKNOWN")
        return {"error": {"code": status, "message": message, "status": kind, "details": details}}

    def reset_headers(self, _seconds: float) -> dict[str, str]:
        """Google has none."""
        return {}


def _build_usage(answer: SimulatedAnswer, output_tokens: int) -> dict[str, Any]:
    usage: dict[str, Any] = {
        "promptTokenCount": answer.prompt_tokens,
        "totalTokenCount": answer.prompt_tokens + output_tokens + answer.reasoning_tokens,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": answer.prompt_tokens}],
    }
    # Counts of nothing are absent. Thoughts are beside the candidates here, and inside the output at OpenAI.
    if output_tokens:
        usage["candidatesTokenCount"] = output_tokens
    if answer.cache_read:
        usage["cachedContentTokenCount"] = answer.cache_read
    if answer.reasoning_tokens:
        usage["thoughtsTokenCount"] = answer.reasoning_tokens
    return usage


def _check_shape(shape: str, body: dict[str, Any]) -> None:
    found = find_violation(shape, body)
    if found is not None:
        raise RequestRejected(400, "", _describe_violation(found), _proto_path(found.path[:-1]))


def _describe_violation(found: Violation) -> str:
    inside, whole = _proto_path(found.path[:-1]), _proto_path(found.path)
    at = f" at '{inside}'" if inside else ""
    texts = {
        "unknown": f'Invalid JSON payload received. Unknown name "{found.field}"{at}: Cannot find field.',
        "unplayed": describe_unplayed(found.field),
        "missing": f"* GenerateContentRequest.{whole}: {found.field} is not specified\n",
        "value": f"Invalid value at '{whole}', \"{found.given}\"",
        "type": f"Invalid value at '{whole}' (TYPE_{''.join(found.allowed).upper()}), {found.given!r}",
    }
    return texts[found.kind]


def _proto_path(path: tuple[str | int, ...]) -> str:
    steps = (f"[{step}]" if isinstance(step, int) else f".{_snake_case(step)}" for step in path)
    return "".join(steps).removeprefix(".")


def _snake_case(name: str) -> str:
    return _CAPITAL.sub(r"_\1", name).lower()


def _read_schema(config: dict[str, Any]) -> Mapping[str, Any] | None:
    schema = config.get("responseJsonSchema")
    if schema is not None and config.get("responseSchema") is not None:
        message = "Only one of response_schema and response_json_schema may be set."
        raise RequestRejected(400, "", message, "generation_config")
    if (schema or config.get("responseSchema")) and config.get("responseMimeType") != _JSON:
        message = (
            "Function calling with a response mime type: 'text/plain' is unsupported with a response schema"
        )
        raise RequestRejected(400, "", message, "generation_config.response_mime_type")
    if schema is None:
        return None
    try:
        check_google(schema)
    except SchemaRefused as refused:
        place = _proto_path(("generationConfig", "responseJsonSchema", *refused.place))
        raise RequestRejected(400, "", f"* GenerateContentRequest.{place}: {refused}\n", place) from refused
    return schema  # type: ignore[no-any-return]


def _read_effort(facts: ModelFacts, config: dict[str, Any]) -> str:
    """Return how much the model thinks; raises ``RequestRejected`` for what the model does not know."""
    thinking = config.get("thinkingConfig") or {}
    level, budget = str(thinking.get("thinkingLevel") or "").lower(), thinking.get("thinkingBudget")
    param = "generation_config.thinking_config"
    if level and budget is not None:
        raise RequestRejected(400, "", "You can only set one of thinking budget and thinking level.", param)
    if thinking and not facts.thinking:
        raise RequestRejected(400, "", "Thinking is not enabled for this model.", param)
    if level and "level" not in facts.thinking:
        raise RequestRejected(400, "", "Thinking level is not supported for this model.", param)
    if level and level not in facts.efforts:
        raise RequestRejected(
            400, "", f"Thinking level {level.upper()} is not supported for this model.", param
        )
    if budget == 0:
        if "off" in facts.thinking:
            return ""
        raise RequestRejected(400, "", "Budget 0 is invalid. This model only works in thinking mode.", param)
    return level or facts.default_effort


def _read_budget(config: dict[str, Any]) -> int | None:
    budget = (config.get("thinkingConfig") or {}).get("thinkingBudget")
    # A negative one leaves it to the model.
    return budget if budget and budget > 0 else None


def _check_sizes(asked: Question, config: dict[str, Any]) -> None:
    limit = config.get("maxOutputTokens")
    if limit is not None and not 1 <= limit <= asked.facts.output:
        message = (
            f"Unable to submit request because it has a maxOutputTokens value of {limit} but the supported "
            f"range is from 1 (inclusive) to {asked.facts.output + 1} (exclusive)."
        )
        raise RequestRejected(400, "", message, "generation_config.max_output_tokens")
    prompt = asked.prompt_tokens
    if prompt > asked.facts.window:
        message = (
            f"The input token count ({prompt}) exceeds the maximum number of tokens allowed "
            f"({asked.facts.window})."
        )
        raise RequestRejected(400, "", message)
