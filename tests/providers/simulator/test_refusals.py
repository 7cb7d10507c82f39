"""What the vendors refuse, in the shape of their errors: fields, values, schemas, ceilings, windows."""

import http.client
import json
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.providers.simulated import Simulated, started

SOUND = {
    "type": "object",
    "properties": {"verdict": {"type": "string"}},
    "required": ["verdict"],
    "additionalProperties": False,
}
OPEN = {"type": "object", "properties": {"verdict": {"type": "string"}}, "required": ["verdict"]}
OPTIONAL = {**SOUND, "required": []}
BARE = {**SOUND, "properties": {"input": {"type": "object"}}, "required": ["input"]}
LONG = {**SOUND, "properties": {"verdict": {"type": "string", "minLength": 3}}}
SONNET = "claude-sonnet-5-5"
MESSAGE: dict[str, Any] = {
    "model": SONNET,
    "max_tokens": 5000,
    "messages": [{"role": "user", "content": "hi"}],
}
CHAT = {"model": "gpt-4.1", "max_tokens": 500, "messages": [{"role": "user", "content": "hi"}]}
RESPONSE = {"model": "gpt-5.6-sol", "max_output_tokens": 5000, "input": "hi"}
GEMINI = {"contents": [{"parts": [{"text": "hi"}]}]}
FLASH = "gemini-3.8-flash"


@pytest.fixture(scope="module")
def _process() -> Iterator[Simulated]:
    with started("--echo") as simulated:
        yield simulated


@pytest.fixture
def simulator(_process: Simulated) -> Simulated:
    _process.reset()
    return _process


def post(simulator: Simulated, path: str, body: Any, **headers: str) -> tuple[int, Any]:
    place = urlsplit(simulator.urls["control"])
    connection = http.client.HTTPConnection(str(place.hostname), place.port, timeout=20)
    connection.request("POST", path, json.dumps(body), headers)
    answer = connection.getresponse()
    read = answer.status, json.loads(answer.read())
    connection.close()
    return read


def claude(simulator: Simulated, **fields: Any) -> tuple[int, Any]:
    body = {name: value for name, value in {**MESSAGE, **fields}.items() if value is not ...}
    return post(simulator, "/v1/messages", body, **{"x-api-key": "k", "anthropic-version": "2023-06-01"})


def chat(simulator: Simulated, **fields: Any) -> tuple[int, Any]:
    body = {name: value for name, value in {**CHAT, **fields}.items() if value is not ...}
    return post(simulator, "/v1/chat/completions", body, Authorization="Bearer k")


def respond(simulator: Simulated, **fields: Any) -> tuple[int, Any]:
    body = {name: value for name, value in {**RESPONSE, **fields}.items() if value is not ...}
    return post(simulator, "/v1/responses", body, Authorization="Bearer k")


def gemini(simulator: Simulated, model: str = FLASH, config: Any = None, **fields: Any) -> tuple[int, Any]:
    body = {**GEMINI, "generationConfig": config or {}, **fields}
    return post(simulator, f"/v1/models/{model}:generateContent", body, **{"x-goog-api-key": "k"})


def marked(text: str, **control: str) -> dict[str, Any]:
    return {"type": "text", "text": text, "cache_control": {"type": "ephemeral", **control}}


def formatted(schema: Any) -> dict[str, Any]:
    return {"format": {"type": "json_schema", "schema": schema}}


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"max_tokens": ...}, "max_tokens: Field required"),
        ({"max_tokens": 128_001}, "128000, which is the maximum"),
        ({"max_tokens": "50"}, "max_tokens: Input should be a valid integer"),
        ({"temperature": 0.2}, "temperature: Extra inputs are not permitted"),
        ({"messages": [{"role": "user", "content": "hi", "name": "x"}]}, "messages.0.name: Extra inputs"),
        ({"messages": []}, "at least one message"),
        ({"messages": [{"role": "user", "content": " "}]}, "non-whitespace text"),
        ({"messages": [*MESSAGE["messages"], {"role": "assistant", "content": "{"}]}, "prefill"),
        ({"thinking": {"type": "disabled"}}, "thinking.type.disabled"),
        ({"thinking": {"type": "enabled", "budget_tokens": 2000}}, "thinking.type.enabled"),
        ({"thinking": {"type": "between_tools"}, "output_config": {"effort": "max"}}, "between_tools"),
        ({"output_config": {"effort": "huge"}}, "output_config.effort: Input should be 'low' or"),
        ({"model": "claude-sonnet-4-5", "output_config": {"effort": "low"}}, "effort parameter"),
        ({"model": "claude-3-haiku", "max_tokens": 9, "output_config": formatted(SOUND)}, "output format"),
        ({"output_config": formatted(OPEN)}, "'additionalProperties' must be explicitly set to false"),
        ({"output_config": formatted(LONG)}, "property 'minLength' is not supported"),
        ({"output_config": formatted({**SOUND, "properties": {"verdict": {}}})}, "'type' key"),
        ({"system": [marked(f"part {number}") for number in range(5)]}, "maximum of 4 blocks"),
        ({"system": [marked("five minutes"), marked("an hour", ttl="1h")]}, "must not come after"),
        ({"system": [marked("a", ttl="2h")]}, "ttl: Input should be '5m' or '1h'"),
        ({"tools": []}, "simulator: it does not play the vendor's field 'tools'"),
        ({"messages": [{"role": "user", "content": "word " * 800_000}]}, "prompt is too long: 1300"),
    ],
)
def test_claude_refuses(simulator: Simulated, fields: dict[str, Any], words: str) -> None:
    status, body = claude(simulator, **fields)
    assert (status, body["type"], body["error"]["type"]) == (400, "error", "invalid_request_error")
    assert words in body["error"]["message"]


@pytest.mark.parametrize(
    ("fields", "code", "words"),
    [
        ({"max_tokens": 32_769}, "invalid_value", "supports at most 32768"),
        ({"max_tokens": 0}, "integer_below_min_value", ">= 1"),
        ({"max_tokens": 5, "max_completion_tokens": 5}, "invalid_parameter_combination", "same time"),
        ({"model": "gpt-5.5"}, "unsupported_parameter", "Use 'max_completion_tokens' instead"),
        ({"nonesuch": 1}, "unknown_parameter", "Unrecognized request argument supplied: nonesuch"),
        ({"messages": ...}, "missing_required_parameter", "'messages'"),
        ({"reasoning_effort": "low"}, "unsupported_parameter", "'reasoning_effort'"),
        ({"prompt_cache_options": {"mode": "explicit"}}, "unsupported_parameter", "prompt_cache_options"),
        ({"response_format": {"type": "json_object"}}, None, "must contain the word 'json'"),
        (
            {"messages": [{"role": "user", "content": "word " * 900_000}]},
            "context_length_exceeded",
            "1047576",
        ),
    ],
)
def test_chat_completions_refuse(
    simulator: Simulated, fields: dict[str, Any], code: str | None, words: str
) -> None:
    status, body = chat(simulator, **fields)
    assert (status, body["error"]["code"]) == (400, code)
    assert words in body["error"]["message"]


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        (OPEN, "In context=(), 'additionalProperties' is required to be supplied and to be false."),
        (OPTIONAL, "Missing 'verdict'."),
        (BARE, "In context=('properties', 'input'), 'additionalProperties' is required"),
        (LONG, "property 'minLength' is not supported"),
        ({"type": "array", "items": {"type": "string"}}, 'type: "object"\', got \'type: "array"\''),
    ],
)
def test_strict_mode_wants_closed_objects_and_every_property(
    simulator: Simulated, schema: Any, words: str
) -> None:
    named = {"type": "json_schema", "name": "answer", "schema": schema, "strict": True}
    status, body = respond(simulator, text={"format": named})
    assert (status, body["error"]["code"]) == (400, "invalid_json_schema")
    assert words in body["error"]["message"]


@pytest.mark.parametrize(
    ("fields", "code", "words"),
    [
        ({"input": ...}, "missing_required_parameter", "'input'"),
        ({"max_output_tokens": 3}, "integer_below_min_value", ">= 16"),
        ({"max_output_tokens": 200_000}, "invalid_value", "at most 128000"),
        ({"temperature": 0}, "unsupported_parameter", "'temperature'"),
        ({"max_tokens": 50}, "unknown_parameter", "Unknown parameter: 'max_tokens'."),
        ({"reasoning": {"effort": "minimal"}}, "unsupported_value", "does not support 'minimal'"),
        ({"reasoning": {"effort": "huge"}}, "invalid_value", "Supported values are: 'none'"),
        (
            {"prompt_cache_options": {"ttl": "30m"}, "prompt_cache_retention": "24h"},
            None,
            "cannot be used together",
        ),
    ],
)
def test_responses_refuse(simulator: Simulated, fields: dict[str, Any], code: str | None, words: str) -> None:
    status, body = respond(simulator, **fields)
    assert (status, body["error"]["code"]) == (400, code)
    assert words in body["error"]["message"]


def bound(schema: Any) -> dict[str, Any]:
    return {"responseMimeType": "application/json", "responseJsonSchema": schema}


@pytest.mark.parametrize(
    ("model", "config", "words"),
    [
        (FLASH, {"maxTokens": 5}, "Unknown name \"maxTokens\" at 'generation_config': Cannot find field."),
        (FLASH, {"maxOutputTokens": 65_537}, "from 1 (inclusive) to 65537 (exclusive)"),
        (FLASH, {"responseJsonSchema": SOUND}, "mime type"),
        (FLASH, bound(BARE), "properties.input: properties: should be non-empty for OBJECT type"),
        (FLASH, bound(LONG), "property 'minLength' is not supported"),
        (FLASH, {"thinkingConfig": {"thinkingBudget": 0}}, "Budget 0 is invalid"),
        (FLASH, {"thinkingConfig": {"thinkingBudget": 9, "thinkingLevel": "LOW"}}, "only set one"),
        (FLASH, {"thinkingConfig": {"thinkingLevel": "HUGE"}}, "thinking_level"),
        ("gemini-2.5-flash", {"thinkingConfig": {"thinkingLevel": "LOW"}}, "Thinking level is not supported"),
        ("gemini-2.0-flash", {"thinkingConfig": {"includeThoughts": True}}, "Thinking is not enabled"),
    ],
)
def test_gemini_refuses(simulator: Simulated, model: str, config: Any, words: str) -> None:
    status, body = gemini(simulator, model, config)
    assert (status, body["error"]["status"]) == (400, "INVALID_ARGUMENT")
    assert words in body["error"]["message"]


def test_an_answer_is_bound_to_the_schema_that_arrived(simulator: Simulated) -> None:
    for status, body in (
        claude(simulator, output_config=formatted(SOUND)),
        respond(
            simulator, text={"format": {"type": "json_schema", "name": "a", "schema": SOUND, "strict": True}}
        ),
        gemini(simulator, FLASH, bound(SOUND)),
    ):
        assert status == 200, body
        assert '{\\"verdict\\": \\"simulated answer\\"}' in json.dumps(body)


def test_a_refusal_is_in_the_log_with_its_reason(simulator: Simulated) -> None:
    claude(simulator, max_tokens=...)
    # An entry is complete when the answer has left, which may be a moment after it has arrived.
    until = time.monotonic() + 10
    while not (entries := simulator.call("GET", "log")) and time.monotonic() < until:
        time.sleep(0.01)
    assert [entry["refused"] for entry in entries] == ["Field required"]
