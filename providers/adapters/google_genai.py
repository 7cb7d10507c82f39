"""Gemini through google-genai, the SDK that Google supports."""

import json
import re
from collections.abc import Callable
from typing import Any, Final

import httpx2
from google import genai
from google.genai import errors, types

from providers import abort, event_stream, transport, usage, wire
from providers.base import AnswerMissing, Completion, Request, StopReason
from providers.catalog import effort_control, takes_schema, wire_model
from providers.failures import error_inside
from providers.streaming import Assembly
from providers.wire_schema import describe_schema, narrow_schema

_STOPS: Final = {"STOP": StopReason.END, "MAX_TOKENS": StopReason.LENGTH}
_FILTERS: Final = frozenset(
    {
        "SAFETY",
        "RECITATION",
        "LANGUAGE",
        "BLOCKLIST",
        "PROHIBITED_CONTENT",
        "SPII",
        "IMAGE_SAFETY",
        "MODEL_ARMOR",
        "ESCALATION",
    }
)
# Fields that we send are documented for this version; the SDK's own choice, ``v1``, is a part of it.
_API_VERSION: Final = "v1beta"
# These models refuse a system instruction.
_GEMMA: Final = re.compile(r"(models/)?gemma-")
_COUNT_SECONDS: Final = 15.0
_MS: Final = 1000
# Gemini 2.5 has no words for it. Its own default is about 8,000.
_BUDGETS: Final = {"low": 1024, "medium": 8192, "high": 16_384}


class GoogleAdapter:
    """One client for all threads of a process.

    It is kept: a ``Client`` that is collected closes its connections.
    """

    name = "google"

    def __init__(self, api_key: str, base_url: str = "") -> None:
        self._http = transport.build_client(_COUNT_SECONDS)
        options = types.HttpOptions(
            base_url=base_url or None,
            api_version=_API_VERSION,
            timeout=int(_COUNT_SECONDS * _MS),
            httpx_client=self._http,
        )
        self._client = genai.Client(api_key=api_key, vertexai=False, http_options=options)

    def complete(self, request: Request) -> Completion:
        """Ask for one ``streamGenerateContent``; see ``Adapter``.

        Prefixes are cached by Gemini itself, so the stable part is first.
        """
        assembly = _ContentAssembly()
        try:
            pause = request.silence_seconds or request.timeout_seconds
            with (
                abort.limit_time(request.timeout_seconds),
                abort.limit_silence(pause + request.thinking_seconds),
                transport.tap_body() as tap,
            ):
                raw = self._call_sdk(lambda: self._read_stream(request, assembly, tap), tap, assembly)
        except BaseException as error:
            broken = transport.break_off(error, self.name, assembly)
            if broken is not error:
                raise broken from error
            raise
        return assembly.describe(wire.read_answer(self.name, raw, _read_completion))

    def count_tokens(self, request: Request) -> int:
        """Count by ``countTokens``, which has no field for the system text: it is counted as content."""
        config = types.CountTokensConfig(
            http_options=_http_options(min(request.timeout_seconds, _COUNT_SECONDS))
        )
        contents = [part for part in (_system_text(request), request.prompt) if part]
        model = wire_model(request.model)
        with transport.tap_body() as tap:
            counted = self._call_sdk(
                lambda: self._client.models.count_tokens(model=model, contents=contents, config=config),
                tap,
                _ContentAssembly(),
            )
        # What the SDK could not read comes as the vendor sent it.
        total = counted.get("totalTokens") if isinstance(counted, dict) else counted.total_tokens
        return wire.check_count(self.name, total)

    def request_bytes(self, request: Request) -> int:
        """See ``Adapter``."""
        return wire.body_bytes(build_body(request), with_schema=request.json_schema is not None)

    def close(self) -> None:
        """See ``Adapter``."""
        self._client.close()
        self._http.close()

    def _read_stream(
        self, request: Request, assembly: "_ContentAssembly", tap: transport.Tap
    ) -> dict[str, Any]:
        pause = request.silence_seconds or request.timeout_seconds
        silence = _http_options(pause + request.thinking_seconds)
        # The door below ``generate_content_stream``, which builds the SDK's types for every chunk, drops what
        # they do not know, and warns of each reason to stop that is newer than the SDK.
        chunks = self._client._api_client.request_streamed(
            "post", build_path(request), build_body(request), silence
        )
        for chunk in chunks:
            # Of a body that is not a stream the SDK makes what it can; it is read whole, below.
            if event_stream.is_event_stream(tap.headers):
                text = assembly.take(json.loads(chunk.body or "null"))
                if text:
                    abort.shorten_silence(pause)
                    request.note_text(text)
        if not event_stream.is_event_stream(tap.headers):
            return self._read_whole(tap.body, assembly)
        return assembly.finish(self.name)

    def _read_whole(self, body: bytes, assembly: "_ContentAssembly") -> dict[str, Any]:
        """Read an answer that is not a stream: one response, or a list of its chunks."""
        chunks = _parse_chunks(body)
        if not chunks:
            return wire.parse_json_object(self.name, body)
        for chunk in chunks:
            assembly.take(chunk)
        return assembly.finish(self.name)

    def _call_sdk(self, send: Callable[[], Any], tap: transport.Tap, assembly: "_ContentAssembly") -> Any:
        try:
            return send()
        except httpx2.HTTPError as error:
            raise transport.error_from_transport(self.name, error) from error
        # What the SDK understood of a refusal, or of what is not JSON, is not needed: the tap has it all. It
        # also trips over errors in a shape that is not Google's.
        except (errors.APIError, ValueError, RecursionError, TypeError, AttributeError, LookupError) as error:
            if 200 <= tap.status < 300 and not event_stream.is_event_stream(tap.headers):
                return self._read_whole(tap.body, assembly)
            raise transport.error_from_tap(self.name, tap, error) from error


def _parse_chunks(body: bytes) -> list[dict[str, Any]]:
    """Return the chunks of a list, as Gemini streams without ``alt=sse``, which a proxy may drop; none for
    any other body.
    """
    if not body.lstrip().startswith(b"["):
        return []
    try:
        parsed = json.loads(body)
    except (ValueError, RecursionError):
        return []
    return parsed if all(isinstance(one, dict) for one in parsed) else []


def build_path(request: Request) -> str:
    """Return the path of ``request`` below the version of the API."""
    model = wire_model(request.model)
    return f"{model if '/' in model else f'models/{model}'}:streamGenerateContent?alt=sse"


def build_body(request: Request) -> dict[str, Any]:
    """Return the body of ``request`` as it is sent."""
    config: dict[str, Any] = {"maxOutputTokens": request.max_output_tokens}
    control = effort_control(request.model)
    if request.effort and control == "level":
        config["thinkingConfig"] = {"thinkingLevel": request.effort.upper()}
    elif request.effort and control == "budget":
        config["thinkingConfig"] = {"thinkingBudget": _BUDGETS[request.effort]}
    if request.json_schema is not None and takes_schema(request.model):
        config["responseMimeType"] = "application/json"
        config["responseJsonSchema"] = narrow_schema(request.json_schema)
    told = [{"text": request.prompt}]
    body: dict[str, Any] = {
        "contents": [{"parts": told, "role": "user"}],
        "generationConfig": config,
    }
    system = _system_text(request)
    if system and _GEMMA.match(request.model):
        told.insert(0, {"text": system})
    elif system:
        body["systemInstruction"] = {"parts": [{"text": system}], "role": "user"}
    return body


def _system_text(request: Request) -> str:
    told = ""
    # Gemini's cache does not depend on the schema, so only a model that takes none is told it.
    if request.json_schema is not None and not takes_schema(request.model):
        told = describe_schema(request.json_schema)
    return "\n\n".join(part for part in (request.stable, request.system, told) if part)


def _http_options(timeout_seconds: float) -> types.HttpOptions:
    # In milliseconds; 0 would mean no limit.
    return types.HttpOptions(timeout=max(1, int(timeout_seconds * _MS)))


class _ContentAssembly(Assembly):
    """Chunks of ``streamGenerateContent``, each of which is a whole response with a part of the text."""

    def __init__(self) -> None:
        super().__init__()
        self._envelope: dict[str, Any] = {}
        self._candidate: dict[str, Any] = {}
        self._content: list[tuple[dict[str, Any], list[str]]] = []

    def _take(self, event: dict[str, Any]) -> str:
        failed = error_inside("google", event)
        if failed is not None:
            raise failed
        self._envelope |= {key: value for key, value in event.items() if key != "candidates"}
        if (event.get("promptFeedback") or {}).get("blockReason"):
            self.ended = True
        candidate = next(iter(event.get("candidates") or []), None)
        if candidate is None:
            return ""
        self._candidate |= {key: value for key, value in candidate.items() if key != "content"}
        self.ended = self.ended or bool(candidate.get("finishReason"))
        written = ""
        for part in (candidate.get("content") or {}).get("parts") or []:
            self._add_part(part)
            text = str(part.get("text") or "")
            if part.get("thought"):
                self.note_thought(text)
            else:
                written += text
        return written

    def _add_part(self, part: dict[str, Any]) -> None:
        rest = {key: value for key, value in part.items() if key != "text"}
        # Pieces of one text come as parts that differ in nothing else.
        if not self._content or self._content[-1][0] != rest:
            self._content.append((rest, []))
        self._content[-1][1].append(str(part.get("text") or ""))

    def build_raw(self) -> dict[str, Any]:
        """See ``Assembly``."""
        parts = [{**rest, "text": "".join(pieces)} for rest, pieces in self._content]
        candidate = {**self._candidate, "content": {"role": "model", "parts": parts}}
        return {**self._envelope, "candidates": [candidate] if self._candidate or parts else []}


def _read_completion(raw: dict[str, Any]) -> Completion:
    model, request_id = str(raw.get("modelVersion", "")), str(raw.get("responseId", ""))
    used, source = usage.read_reported("google", raw)
    # A blocked prompt has no candidate at all, only this.
    if (raw.get("promptFeedback") or {}).get("blockReason"):
        return Completion("", StopReason.CONTENT_FILTER, used, model, request_id, raw, source)
    candidate: dict[str, Any] = next(iter(raw.get("candidates") or []), {})
    reason = str(candidate.get("finishReason", ""))
    stop = StopReason.CONTENT_FILTER if reason in _FILTERS else _STOPS.get(reason)
    # Parts marked as thoughts are the model's notes, not the answer.
    parts = (candidate.get("content") or {}).get("parts") or []
    text = wire.join_texts([part for part in parts if not part.get("thought")])
    if stop is None or (not text and stop is StopReason.END):
        raise AnswerMissing("google", f"no whole answer, finish reason {reason!r}", raw=raw)
    return Completion(text, stop, used, model, request_id, raw, source)
