"""The shapes of requests that the simulator accepts, made from the types of the vendors' own SDKs.

``python -m tests.providers.simulator.sdk_shapes`` writes ``providers/simulator/shapes/*.json`` again, after
an update of an SDK. They are files, and the simulator imports no SDK, because the three SDKs take seconds to
load.

Each shape is a JSON Schema with every object closed. A part of the SDK that the simulator does not play
(tools, images) is left out; the names of such fields are kept beside, so that the refusal can say whose fault
it is.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from anthropic.types import message_count_tokens_params, message_create_params
from google.genai import types
from openai.types.chat import completion_create_params
from openai.types.responses import input_token_count_params, response_create_params
from pydantic import TypeAdapter

FOLDER = Path(__file__).resolve().parents[3] / "providers" / "simulator" / "shapes"
# What the SDK's own base type leaves to its overloads.
_STREAM = {"stream": {"anyOf": [{"type": "boolean"}, {"type": "null"}]}}
_WORDS = ("title", "description", "default")
# Parts of content and turns that the simulator reads; the others carry images, sounds, files and tools.
_CONTENT = frozenset(
    {
        "TextBlockParam",
        "UserMessageParam",
        "AssistantMessageParam",
        "EasyInputMessageParam",
        "ResponseInputTextParam",
        "ChatCompletionDeveloperMessageParam",
        "ChatCompletionSystemMessageParam",
        "ChatCompletionUserMessageParam",
        "ChatCompletionAssistantMessageParam",
        "ChatCompletionContentPartTextParam",
    }
)
_TURNS = frozenset({"messages", "input", "content"})
_PLAYED = {
    "anthropic": [
        "cache_control",
        "max_tokens",
        "messages",
        "metadata",
        "model",
        "output_config",
        "system",
        "thinking",
    ],
    "openai-chat": [
        "max_completion_tokens",
        "max_tokens",
        "messages",
        "metadata",
        "model",
        "prompt_cache_key",
        "prompt_cache_options",
        "prompt_cache_retention",
        "reasoning_effort",
        "response_format",
        "safety_identifier",
        "store",
        "stream_options",
        "temperature",
        "top_p",
        "user",
        "verbosity",
    ],
    "openai-responses": [
        "input",
        "instructions",
        "max_output_tokens",
        "metadata",
        "model",
        "prompt_cache_key",
        "prompt_cache_options",
        "prompt_cache_retention",
        "reasoning",
        "safety_identifier",
        "store",
        "stream_options",
        "temperature",
        "text",
        "top_p",
        "truncation",
        "user",
    ],
    "google-config": [
        "candidateCount",
        "maxOutputTokens",
        "responseJsonSchema",
        "responseMimeType",
        "responseModalities",
        "responseSchema",
        "seed",
        "temperature",
        "thinkingConfig",
        "topK",
        "topP",
    ],
}


def build_shapes() -> dict[str, dict[str, Any]]:
    """Return the shape of each kind of request, by the name of its file."""
    # The API requires what the SDK's type calls optional, because other fields can take its place.
    responses = _build_shape(response_create_params.ResponseCreateParamsBase, "openai-responses", _STREAM)
    responses["required"] = ["model", "input"]
    counted = _build_shape(input_token_count_params.InputTokenCountParams, "openai-responses", {})
    counted["required"] = ["model"]
    return {
        "anthropic-messages": _build_shape(
            message_create_params.MessageCreateParamsBase, "anthropic", _STREAM
        ),
        "anthropic-count": _build_shape(
            message_count_tokens_params.MessageCountTokensParams, "anthropic", {}
        ),
        "openai-chat": _build_shape(
            completion_create_params.CompletionCreateParamsBase, "openai-chat", _STREAM
        ),
        "openai-responses": responses,
        "openai-count": counted,
        "google-generate": _build_google(),
        "google-count": _build_google_count(),
    }


def _build_shape(kind: Any, played: str, extra: dict[str, Any]) -> dict[str, Any]:
    schema = TypeAdapter(kind).json_schema()
    return _finish_shape(schema, _PLAYED[played], extra)


def _build_google() -> dict[str, Any]:
    """The body of ``generateContent``: the SDK has a type for its parts, and puts it together in code."""
    config = types.GenerationConfig.model_json_schema(by_alias=True)
    for name, field in list(config["properties"].items()):
        if "not supported in Gemini API" in str(field.get("description")):
            del config["properties"][name]
    content = types.Content.model_json_schema(by_alias=True)
    part = content["$defs"]["Part"]
    unplayed = sorted(set(part["properties"]) - {"text", "thought", "thoughtSignature"})
    for name in unplayed:
        del part["properties"][name]
    body = {
        "type": "object",
        "properties": {
            "contents": {"type": "array", "items": {"$ref": "#/$defs/Content"}},
            "systemInstruction": {"$ref": "#/$defs/Content"},
            "generationConfig": {"$ref": "#/$defs/GenerationConfig"},
        },
        "required": ["contents"],
        "$defs": {
            "Content": {name: content[name] for name in ("type", "properties")},
            "Part": part,
            "GenerationConfig": {
                "type": "object",
                "properties": {name: config["properties"][name] for name in _PLAYED["google-config"]},
            },
            **config["$defs"],
        },
    }
    elsewhere = ["cachedContent", "safetySettings", "serviceTier", "store", "toolConfig", "tools"]
    left = sorted(set(config["properties"]) - set(_PLAYED["google-config"]))
    return {**_prune(_close(body)), "x-unplayed": sorted([*elsewhere, *left, *unplayed])}


def _build_google_count() -> dict[str, Any]:
    """The body of ``countTokens``: the contents, or a whole request with the model in it."""
    whole = _build_google()
    defs = whole.pop("$defs")
    unplayed = whole.pop("x-unplayed")
    whole["properties"] = {"model": {"type": "string"}, **whole["properties"]}
    whole["required"] = ["model", "contents"]
    body = {
        "type": "object",
        "properties": {
            "contents": whole["properties"]["contents"],
            "generateContentRequest": {"$ref": "#/$defs/GenerateContentRequest"},
        },
        "additionalProperties": False,
        "$defs": {**defs, "GenerateContentRequest": whole},
    }
    return {**body, "x-unplayed": unplayed}


def _finish_shape(schema: dict[str, Any], played: list[str], extra: dict[str, Any]) -> dict[str, Any]:
    known = schema["properties"]
    kept = {name: known[name] for name in played if name in known}
    schema["properties"] = {**kept, **extra}
    return {**_prune(_close(_drop_unplayed(schema))), "x-unplayed": sorted(set(known) - set(kept))}


def _drop_unplayed(schema: Any, name: str = "") -> Any:
    """Leave out the kinds of turns and content that the simulator does not read."""
    if isinstance(schema, list):
        return [_drop_unplayed(one, name) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if name in _TURNS and isinstance(schema.get("anyOf"), list):
        read = [one for one in schema["anyOf"] if _target(one) in _CONTENT or "$ref" not in one]
        schema = {**schema, "anyOf": read}
    # Below the items of a list of turns the alternatives still belong to that list.
    passed = frozenset({"anyOf", "items"})
    return {key: _drop_unplayed(value, name if key in passed else key) for key, value in schema.items()}


def _close(schema: Any) -> Any:
    """Refuse unknown fields in every object, and drop what is for readers."""
    if isinstance(schema, list):
        return [_close(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    closed: dict[str, Any] = {}
    for key, value in schema.items():
        if key in ("properties", "$defs"):
            closed[key] = {name: _close(one) for name, one in value.items()}
        elif key not in _WORDS:
            closed[key] = _close(value)
    if "properties" in closed:
        closed["additionalProperties"] = False
    return closed


def _prune(schema: dict[str, Any]) -> dict[str, Any]:
    """Keep only the definitions that the shape reaches."""
    defs: dict[str, Any] = schema.pop("$defs", {})
    reached: dict[str, Any] = {}
    waiting = list(_references(schema))
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached[name] = defs[name]
            waiting.extend(_references(defs[name]))
    return {**schema, "$defs": dict(sorted(reached.items()))}


def _references(schema: Any) -> Iterator[str]:
    if isinstance(schema, list):
        for one in schema:
            yield from _references(one)
    elif isinstance(schema, dict):
        if "$ref" in schema:
            yield _target(schema)
        for one in schema.values():
            yield from _references(one)


def _target(schema: dict[str, Any]) -> str:
    return str(schema.get("$ref", "")).rpartition("/")[2]


def format_shape(shape: dict[str, Any]) -> str:
    """Return the text of a shape's file."""
    return json.dumps(shape, indent=1, sort_keys=True) + "\n"


if __name__ == "__main__":
    for stem, made in build_shapes().items():
        (FOLDER / f"{stem}.json").write_text(format_shape(made), encoding="utf-8")
    sys.stdout.write(f"wrote {FOLDER}\n")
