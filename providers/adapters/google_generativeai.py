"""Gemini through google-generativeai, the older SDK (``GOOGLE_SDK=google-generativeai``).

Out of support; needs ``requirements-google-generativeai.txt``. It drops the field of the thinking tokens, so
``providers.usage`` recovers them from the total. See ``docs/decisions/0002-google-sdk.md``.
"""

import re
import time
from collections.abc import Callable
from typing import Any, Final

import google.generativeai as genai
import requests
from google.ai.generativelanguage import GenerativeServiceClient
from google.api_core import exceptions
from google.api_core.client_options import ClientOptions
from google.generativeai import protos
from google.protobuf.json_format import ParseError
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError, NewConnectionError, ReadTimeoutError

from providers import usage, wire
from providers.base import (
    AnswerMissing,
    Completion,
    ConnectionCut,
    MalformedAnswer,
    ProviderError,
    Request,
    StopReason,
    TimedOut,
    Unreachable,
)
from providers.catalog import wire_model
from providers.failures import error_from_status
from providers.waits import read_retry_info
from providers.wire_schema import describe_schema

_STOPS: Final = {"STOP": StopReason.END, "MAX_TOKENS": StopReason.LENGTH}
_FILTERS: Final = frozenset({"SAFETY", "RECITATION", "LANGUAGE", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII"})
_COUNT_SECONDS: Final = 15.0


class _DeadlineAdapter(HTTPAdapter):
    """Ends a call when its time is over: the limit of ``requests`` is for each read."""

    def send(self, request: Any, **options: Any) -> requests.Response:  # type: ignore[override]
        deadline = time.monotonic() + float(options.get("timeout") or _COUNT_SECONDS)
        response = super().send(request, **options)
        chunks: list[bytes] = []
        try:
            # ``read1`` returns what has arrived; ``read`` would wait for the whole chunk, past the
            # deadline.
            while chunk := response.raw.read1(65_536, decode_content=True):
                chunks.append(chunk)
                if time.monotonic() > deadline:
                    raise requests.exceptions.ReadTimeout("the answer took longer than the call may")
        except ReadTimeoutError as error:
            raise requests.exceptions.ReadTimeout(str(error)) from error
        except HTTPError as error:
            raise requests.exceptions.ChunkedEncodingError(str(error)) from error
        response._content = b"".join(chunks)
        return response


class LegacyGoogleAdapter:
    """One client for all threads of a process, over REST: gRPC would not know our base URLs."""

    name = "google"

    def __init__(self, api_key: str, base_url: str = "") -> None:
        options = ClientOptions(api_key=api_key, api_endpoint=base_url or None)
        self._client = GenerativeServiceClient(client_options=options, transport="rest")
        session = self._client.transport._session
        # The session would repeat a request after a 401, without a reservation.
        session._max_refresh_attempts = 0
        for scheme in ("http://", "https://"):
            session.mount(scheme, _DeadlineAdapter())

    def complete(self, request: Request) -> Completion:
        """Ask for one ``generateContent``; see ``Adapter``."""
        config: dict[str, Any] = {"max_output_tokens": request.max_output_tokens}
        if request.json_schema is not None:
            config["response_mime_type"] = "application/json"
        model, limit = self._build_model(request), _request_options(request.timeout_seconds)
        answer = self._call_sdk(
            lambda: model.generate_content(request.prompt, generation_config=config, request_options=limit)
        )
        return wire.read_answer(self.name, _camel_case(answer.to_dict()), _read_completion)

    def count_tokens(self, request: Request) -> int:
        """Count by ``countTokens``, with the system text."""
        model = self._build_model(request)
        limit = _request_options(min(request.timeout_seconds, _COUNT_SECONDS))
        counted = self._call_sdk(lambda: model.count_tokens(request.prompt, request_options=limit))
        return int(counted.total_tokens)

    def request_bytes(self, request: Request) -> int:
        """See ``Adapter``."""
        body = {
            "system": _system_text(request),
            "contents": request.prompt,
            "max": request.max_output_tokens,
            # Room for the field names of the wire, which are longer than these.
            "pad": "." * 128,
        }
        return wire.body_bytes(body, with_schema=request.json_schema is not None)

    def close(self) -> None:
        """See ``Adapter``."""
        self._client.transport.close()

    def _build_model(self, request: Request) -> Any:
        model = genai.GenerativeModel(
            wire_model(request.model), system_instruction=_system_text(request) or None
        )
        model._client = self._client  # its own way is one client per process, set up globally
        return model

    def _call_sdk(self, send: Callable[[], Any]) -> Any:
        try:
            return send()
        except exceptions.GoogleAPICallError as error:
            raise _read_error(error) from error
        except requests.exceptions.Timeout as error:
            kind = Unreachable if isinstance(error, requests.exceptions.ConnectTimeout) else TimedOut
            raise kind(self.name, str(error)) from error
        except requests.exceptions.RequestException as error:
            raise _transport_error(error) from error
        except (ValueError, TypeError, ParseError) as error:
            raise MalformedAnswer(self.name, str(error)) from error


def _system_text(request: Request) -> str:
    """Return the stable part, the system text, and the schema in words.

    This SDK's schemas have no ``additionalProperties``, so it cannot take the schema as a field.
    """
    told = ""
    if request.json_schema is not None:
        told = describe_schema(request.json_schema)
    return "\n\n".join(part for part in (request.stable, request.system, told) if part)


def _request_options(timeout_seconds: float) -> dict[str, Any]:
    # By default the library sends a failed request again, without a reservation.
    return {"timeout": timeout_seconds, "retry": None}


def _camel_case(value: Any) -> Any:
    """Rename the fields as on the wire and in the newer SDK, so that stored responses have one shape."""
    if isinstance(value, dict):
        return {
            re.sub(r"_(\w)", lambda m: m[1].upper(), name): _camel_case(one) for name, one in value.items()
        }
    return [_camel_case(one) for one in value] if isinstance(value, list) else value


def _read_completion(raw: dict[str, Any]) -> Completion:
    model, request_id = str(raw.get("modelVersion", "")), str(raw.get("responseId", ""))
    used, source = usage.read_reported("google", raw)
    if (raw.get("promptFeedback") or {}).get("blockReason"):
        return Completion("", StopReason.CONTENT_FILTER, used, model, request_id, raw, source)
    candidate: dict[str, Any] = next(iter(raw.get("candidates") or []), {})
    # This SDK gives the number of the enum, the wire its name.
    reason = protos.Candidate.FinishReason(candidate.get("finishReason", 0)).name
    stop = StopReason.CONTENT_FILTER if reason in _FILTERS else _STOPS.get(reason)
    text = "".join(part.get("text", "") for part in (candidate.get("content") or {}).get("parts") or [])
    if stop is None or (not text and stop is StopReason.END):
        raise AnswerMissing("google", f"no text, finish reason {reason!r}", raw=raw)
    return Completion(text, stop, used, model, request_id, raw, source)


def _transport_error(error: requests.exceptions.RequestException) -> ProviderError:
    cause = getattr(error.args[0], "reason", None) if error.args else None
    if isinstance(error, requests.exceptions.JSONDecodeError):
        return MalformedAnswer("google", str(error))
    # Only a connection that was never made proves that nothing was sent, so that nothing is charged.
    if isinstance(cause, NewConnectionError):
        return Unreachable("google", str(error))
    return ConnectionCut("google", str(error))


def _read_error(error: exceptions.GoogleAPICallError) -> ProviderError:
    try:
        inner = error.response.json()["error"]
    except (AttributeError, KeyError, TypeError, ValueError):
        inner = {}
    details = inner.get("details") or []
    codes = [str(one.get("reason", "")) for one in details if isinstance(one, dict)]
    headers = getattr(error.response, "headers", None) or {}
    return error_from_status(
        "google",
        int(error.code or 500),
        error.message,
        codes=codes,
        headers=headers,
        waits=read_retry_info(details),
    )
