"""Gemini through google-genai, the SDK that Google supports."""

from collections.abc import Callable
from typing import Any, Final, cast

import httpx2
from google import genai
from google.genai import errors, types

from providers import transport, usage, wire
from providers.base import AnswerMissing, Completion, MalformedAnswer, Request, StopReason
from providers.catalog import wire_model
from providers.wire_schema import narrow_schema

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
_COUNT_SECONDS: Final = 15.0
_MS: Final = 1000


class GoogleAdapter:
    """One client for all threads of a process.

    It is kept: a ``Client`` that is collected closes its connections.
    """

    name = "google"

    def __init__(self, api_key: str, base_url: str = "") -> None:
        self._http = transport.build_client(_COUNT_SECONDS)
        options = types.HttpOptions(
            base_url=base_url or None, timeout=int(_COUNT_SECONDS * _MS), httpx_client=self._http
        )
        self._client = genai.Client(api_key=api_key, vertexai=False, http_options=options)

    def complete(self, request: Request) -> Completion:
        """Ask for one ``generateContent``; see ``Adapter``.

        Prefixes are cached by Gemini itself, so the stable part is first.
        """
        config = types.GenerateContentConfig(
            system_instruction=_system_text(request) or None,
            max_output_tokens=request.max_output_tokens,
            http_options=_http_options(request.timeout_seconds),
            should_return_http_response=True,
            # The SDK would call functions and send follow-up requests of its own, none of which has a
            # reservation.
            automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
        )
        if request.json_schema is not None:
            config.response_mime_type = "application/json"
            config.response_json_schema = narrow_schema(request.json_schema)
        model = wire_model(request.model)
        answer = self._call_sdk(
            lambda: self._client.models.generate_content(model=model, contents=request.prompt, config=config)
        )
        # The body as it came: the SDK's own types drop what they do not know.
        body = (answer.sdk_http_response.body or "").encode("utf-8", "surrogatepass")
        return wire.read_answer(self.name, wire.parse_json_object(self.name, body), _read_completion)

    def count_tokens(self, request: Request) -> int:
        """Count by ``countTokens``, which has no field for the system text: it is counted as content."""
        config = types.CountTokensConfig(
            http_options=_http_options(min(request.timeout_seconds, _COUNT_SECONDS))
        )
        contents = [part for part in (_system_text(request), request.prompt) if part]
        model = wire_model(request.model)
        counted = self._call_sdk(
            lambda: self._client.models.count_tokens(model=model, contents=contents, config=config)
        )
        return wire.check_count(self.name, counted.total_tokens)

    def request_bytes(self, request: Request) -> int:
        """See ``Adapter``."""
        body = {
            "systemInstruction": {"parts": [{"text": _system_text(request)}], "role": "user"},
            "contents": [{"parts": [{"text": request.prompt}], "role": "user"}],
            "generationConfig": {
                "maxOutputTokens": request.max_output_tokens,
                "responseJsonSchema": request.json_schema and narrow_schema(request.json_schema),
            },
        }
        return wire.body_bytes(body, with_schema=request.json_schema is not None)

    def close(self) -> None:
        """See ``Adapter``."""
        self._client.close()
        self._http.close()

    def _call_sdk(self, send: Callable[[], Any]) -> Any:
        try:
            return send()
        except errors.APIError as error:
            # The SDK may use other HTTP clients; this one was given ours.
            raise transport.error_from_response(self.name, cast("httpx2.Response", error.response)) from error
        except httpx2.HTTPError as error:
            raise transport.error_from_transport(self.name, error) from error
        except ValueError as error:  # JSON that is none, or that the SDK's types do not take
            raise MalformedAnswer(self.name, str(error)) from error


def _system_text(request: Request) -> str:
    return "\n\n".join(part for part in (request.stable, request.system) if part)


def _http_options(timeout_seconds: float) -> types.HttpOptions:
    # In milliseconds; 0 would mean no limit.
    return types.HttpOptions(timeout=max(1, int(timeout_seconds * _MS)))


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
        raise AnswerMissing("google", f"no text, finish reason {reason!r}", raw=raw)
    return Completion(text, stop, used, model, request_id, raw, source)
