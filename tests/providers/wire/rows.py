"""What vendors, and proxies in front of them, really answer, and what each answer has to become.

One table for every test that plays a vendor: `tests/providers/wire/` serves a row over loopback through SDK,
adapter and `call_model`; the simulator serves the same rows, by name, to whole flows. A row is served as it
is written here, with its status and headers. A body that is not text or bytes is sent as JSON, whether or not
the request asked for a stream: a server that ignores `stream` answers so.
"""

import gzip
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from providers.base import (
    AccountExhausted,
    AccountRestricted,
    AnswerMissing,
    AuthenticationFailed,
    ConnectionCut,
    ContentFiltered,
    ContextTooLong,
    FixedBy,
    MalformedAnswer,
    NetworkPathFailed,
    Overloaded,
    ProviderError,
    RateLimited,
    RequestTooLarge,
    ServerFailed,
    StopReason,
    TimedOut,
    UnknownModel,
    UsageSource,
)

Headers = Mapping[str, str | Callable[[float], str]]


@dataclass(frozen=True)
class WireRow:
    """One answer of a vendor and what it has to become.

    `vendor` is `anthropic`, `openai` (chat completions), `responses` (OpenAI's other API) or `google`.
    `error` is the error of the call; None where the row is an answer, with `stop` and `source`.
    `wait` bounds the seconds that everybody stays away afterwards; None: nobody waits.
    `says` is in the message that people read. `stored` is what the ledger says of the tokens of an answer,
    where that is not `source`. `raw` is sent instead of everything else: bytes, and seconds of silence.
    """

    name: str
    vendor: str
    status: int = 200
    headers: Headers = field(default_factory=dict)
    body: Any = b""
    error: type[ProviderError] | None = None
    wait: tuple[float, float] | None = None
    says: str = ""
    stop: StopReason = StopReason.END
    source: UsageSource = UsageSource.REPORTED
    stored: UsageSource | None = None
    raw: tuple[bytes | float, ...] | None = None

    @property
    def provider(self) -> str:
        return "openai" if self.vendor == "responses" else self.vendor

    @property
    def code(self) -> str:
        return "" if self.error is None else self.error.code

    @property
    def fixed_by(self) -> FixedBy | None:
        return None if self.error is None else self.error.fixed_by

    @property
    def retryable(self) -> bool:
        return self.error is not None and self.error.retryable

    def content(self) -> bytes:
        """The bytes of the body."""
        if isinstance(self.body, bytes):
            return self.body
        return (self.body if isinstance(self.body, str) else json.dumps(self.body)).encode()

    def sent_headers(self) -> dict[str, str]:
        """The headers now: some name a time."""
        named = {
            name: value if isinstance(value, str) else value(time.time())
            for name, value in self.headers.items()
        }
        kind = "text/html" if self.content().lstrip()[:1] == b"<" else "application/json"
        return {"content-type": kind, **named}


# --- answers: one of each API that is complete

CHAT = {
    "id": "chatcmpl-1",
    "model": "gpt-4o-2024-08-06",
    "choices": [{"message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
}
MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-sonnet-4-5-20250929",
    "content": [{"type": "text", "text": "hi"}],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 10, "output_tokens": 5},
}
RESPONSE = {
    "id": "resp_1",
    "object": "response",
    "model": "gpt-5-2025-08-07",
    "status": "completed",
    "error": None,
    "output": [{"type": "message", "content": [{"type": "output_text", "text": "hi"}]}],
    "usage": {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15},
}
GEMINI = {
    "candidates": [{"content": {"parts": [{"text": "hi"}], "role": "model"}, "finishReason": "STOP"}],
    "usageMetadata": {"promptTokenCount": 10, "candidatesTokenCount": 5, "totalTokenCount": 15},
    "modelVersion": "gemini-2.5-flash",
    "responseId": "r1",
}
WHOLE: Mapping[str, dict[str, Any]] = {
    "openai": CHAT,
    "anthropic": MESSAGE,
    "responses": RESPONSE,
    "google": GEMINI,
}
VENDORS = ("anthropic", "openai", "google")
CHALLENGE = (
    "<!DOCTYPE html><html><head><title>Just a moment...</title></head><body>Enable JavaScript</body></html>"
)


def chat(**changes: Any) -> dict[str, Any]:
    return {**CHAT, **changes}


def message(**changes: Any) -> dict[str, Any]:
    return {**MESSAGE, **changes}


def gemini(**changes: Any) -> dict[str, Any]:
    return {**GEMINI, **changes}


def claude_error(kind: str, words: str) -> dict[str, Any]:
    return {"type": "error", "error": {"type": kind, "message": words}, "request_id": "req_1"}


def gpt_error(words: str, code: str | None = None, kind: str = "invalid_request_error") -> dict[str, Any]:
    return {"error": {"message": words, "type": kind, "param": None, "code": code}}


def gemini_error(status: int, words: str, name: str, *details: Mapping[str, Any]) -> dict[str, Any]:
    return {"error": {"code": status, "message": words, "status": name, "details": list(details)}}


def retry_info(delay: str) -> dict[str, Any]:
    return {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay}


def http_date(seconds: float) -> Callable[[float], str]:
    return lambda now: time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(now + seconds))


def rfc3339(seconds: float) -> Callable[[float], str]:
    return lambda now: time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now + seconds))


_FIRST_PAUSE = (0.9, 1.1)
_ACCOUNT_PAUSE = (59.0, 61.0)

ACCOUNT = [
    WireRow(
        "anthropic: no credit",
        "anthropic",
        400,
        {},
        claude_error(
            "invalid_request_error",
            "Your credit balance is too low to access the Anthropic API. "
            "Please go to Plans & Billing to upgrade or purchase credits.",
        ),
        AccountExhausted,
        _ACCOUNT_PAUSE,
        "credit balance is too low",
    ),
    WireRow(
        "anthropic: spending limit until a date",
        "anthropic",
        400,
        {},
        claude_error(
            "invalid_request_error",
            "You have reached your specified API usage limits. "
            "You will regain access on "
            + time.strftime("%Y-%m-%d", time.gmtime(time.time() + 5 * 86_400))
            + " at 00:00 UTC.",
        ),
        AccountExhausted,
        (4 * 86_400.0 - 60, 5 * 86_400.0 + 60),
        "regain access on",
    ),
    WireRow(
        "openai: insufficient_quota",
        "openai",
        429,
        {"retry-after": "1"},
        gpt_error(
            "You exceeded your current quota, please check your plan and billing details.",
            "insufficient_quota",
            "insufficient_quota",
        ),
        AccountExhausted,
        _ACCOUNT_PAUSE,
        "exceeded your current quota",
    ),
    WireRow(
        "openai: billing limit",
        "openai",
        400,
        {},
        gpt_error("Billing hard limit has been reached.", "billing_hard_limit_reached"),
        AccountExhausted,
        _ACCOUNT_PAUSE,
        "Billing hard limit",
    ),
    WireRow(
        "openai: 402", "openai", 402, {}, gpt_error("Insufficient credits."), AccountExhausted, _ACCOUNT_PAUSE
    ),
    WireRow(
        "google: prepayment used up",
        "google",
        429,
        {},
        gemini_error(429, "Your prepayment credits are depleted.", "RESOURCE_EXHAUSTED"),
        AccountExhausted,
        _ACCOUNT_PAUSE,
        "prepayment credits",
    ),
    WireRow(
        "google: limit 0",
        "google",
        429,
        {},
        gemini_error(
            429,
            "You exceeded your current quota. Quota exceeded for metric, limit: 0",
            "RESOURCE_EXHAUSTED",
            retry_info("0s"),
        ),
        AccountExhausted,
        _ACCOUNT_PAUSE,
        "limit: 0",
    ),
    WireRow(
        "google: location",
        "google",
        400,
        {},
        gemini_error(400, "User location is not supported for the API use.", "FAILED_PRECONDITION"),
        AccountRestricted,
        None,
        "User location",
    ),
    WireRow(
        "google: billing is off",
        "google",
        400,
        {},
        gemini_error(
            400,
            "Gemini API free tier is not available in your country. Please enable billing.",
            "FAILED_PRECONDITION",
        ),
        AccountRestricted,
    ),
    WireRow(
        "openai: account closed",
        "openai",
        403,
        {},
        gpt_error(
            "The OpenAI account associated with this API key has been deactivated", "account_deactivated"
        ),
        AccountRestricted,
    ),
    WireRow(
        "anthropic: key of another vendor",
        "anthropic",
        401,
        {},
        claude_error("authentication_error", "invalid x-api-key"),
        AuthenticationFailed,
    ),
    WireRow(
        "openai: key of another vendor",
        "openai",
        401,
        {},
        gpt_error("Incorrect API key provided: sk-ant-***.", "invalid_api_key"),
        AuthenticationFailed,
    ),
    WireRow(
        "google: key of another vendor",
        "google",
        400,
        {},
        gemini_error(
            400,
            "API key not valid. Please pass a valid API key.",
            "INVALID_ARGUMENT",
            {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"},
        ),
        AuthenticationFailed,
    ),
    WireRow(
        "anthropic: no such model",
        "anthropic",
        404,
        {},
        claude_error("not_found_error", "model: claude-nonesuch"),
        UnknownModel,
    ),
    WireRow(
        "openai: retired model",
        "openai",
        404,
        {},
        gpt_error("The model `gpt-4-turbo` has been deprecated", "model_not_found"),
        UnknownModel,
    ),
    WireRow(
        "google: no such model",
        "google",
        404,
        {},
        gemini_error(404, "models/gemini-nonesuch is not found for API version v1", "NOT_FOUND"),
        UnknownModel,
    ),
]

SIZE = [
    WireRow(
        "anthropic: prompt too long",
        "anthropic",
        400,
        {},
        claude_error("invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum"),
        ContextTooLong,
        None,
        "210000 tokens > 200000 maximum",
    ),
    WireRow(
        "anthropic: request too large",
        "anthropic",
        413,
        {},
        claude_error("request_too_large", "Request exceeds the maximum size"),
        ContextTooLong,
    ),
    WireRow(
        "openai: context length",
        "openai",
        400,
        {},
        gpt_error("This model's maximum context length is 128000 tokens.", "context_length_exceeded"),
        ContextTooLong,
    ),
    WireRow(
        "google: context length",
        "google",
        400,
        {},
        gemini_error(
            400,
            "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
            "INVALID_ARGUMENT",
        ),
        ContextTooLong,
    ),
    WireRow(
        "anthropic: extra usage required",
        "anthropic",
        429,
        {},
        claude_error("rate_limit_error", "Extra usage is required for long context requests."),
        RequestTooLarge,
        None,
        "Extra usage is required",
    ),
    WireRow(
        "openai: over the minute for ever",
        "openai",
        429,
        {},
        gpt_error(
            "Request too large for gpt-4-turbo on tokens per min (TPM): Limit 30000, Requested 36278.",
            "rate_limit_exceeded",
            "tokens",
        ),
        RequestTooLarge,
        None,
        "Limit 30000, Requested 36278",
    ),
    WireRow(
        "azure: content filter",
        "openai",
        400,
        {},
        {
            "error": {
                "message": "The response was filtered due to the prompt",
                "code": "content_filter",
                "innererror": {"code": "ResponsibleAIPolicyViolation"},
            }
        },
        ContentFiltered,
    ),
]

_LIMITED = {
    "anthropic": claude_error("rate_limit_error", "This request would exceed your organization's rate limit"),
    "openai": gpt_error("Rate limit reached", "rate_limit_exceeded", "requests"),
    "google": gemini_error(429, "Resource has been exhausted", "RESOURCE_EXHAUSTED"),
}


def limited(name: str, vendor: str, headers: Headers, low: float, high: float, body: Any = None) -> WireRow:
    return WireRow(name, vendor, 429, headers, body or _LIMITED[vendor], RateLimited, (low, high))


WAITS = [
    *(limited(f"{vendor}: no time named", vendor, {}, *_FIRST_PAUSE) for vendor in VENDORS),
    *(limited(f"{vendor}: retry-after 20", vendor, {"retry-after": "20"}, 20, 20) for vendor in VENDORS),
    *(
        limited(f"openai: retry-after {value!r}", "openai", {"retry-after": value}, *_FIRST_PAUSE)
        for value in (
            "0",
            "-5",
            "inf",
            "nan",
            "1e300",
            "",
            "whenever",
            "20261201",
            "Fri, 99 Foo 2026 99:99:99 GMT",
            "9999-12-31T23:59:59Z",
        )
    ),
    limited("openai: retry-after twice", "openai", {"retry-after": "30, 30"}, 30, 30),
    limited("openai: a date in 30 s", "openai", {"retry-after": http_date(30)}, 27, 31),
    limited("openai: a date years away", "openai", {"retry-after": http_date(9e7)}, *_FIRST_PAUSE),
    limited("openai: a date of the past", "openai", {"retry-after": http_date(-900)}, *_FIRST_PAUSE),
    limited("openai: two days", "openai", {"retry-after": "172800"}, 3600, 3600),
    limited(
        "anthropic: retry-after wins over the full bucket",
        "anthropic",
        {
            "retry-after": "5",
            "anthropic-ratelimit-tokens-remaining": "0",
            "anthropic-ratelimit-tokens-reset": rfc3339(50),
        },
        5,
        5,
    ),
    limited(
        "anthropic: only a reset",
        "anthropic",
        {"anthropic-ratelimit-tokens-remaining": "0", "anthropic-ratelimit-tokens-reset": rfc3339(40)},
        37,
        41,
    ),
    limited(
        "openai: only a reset",
        "openai",
        {"x-ratelimit-remaining-tokens": "-12", "x-ratelimit-reset-tokens": "6m0s"},
        360,
        360,
    ),
    limited(
        "openrouter: a time in milliseconds",
        "openai",
        {"x-ratelimit-remaining": "0", "x-ratelimit-reset": lambda now: str(int(now * 1000) + 30_000)},
        28,
        31,
    ),
    limited(
        "openai: a time in seconds",
        "openai",
        {"x-ratelimit-remaining": "0", "x-ratelimit-reset": lambda now: str(int(now) + 30)},
        28,
        31,
    ),
    limited(
        "openai: only in the text",
        "openai",
        {},
        *_FIRST_PAUSE,
        gpt_error("Rate limit reached. Please try again in 174ms.", "rate_limit_exceeded", "tokens"),
    ),
    limited(
        "openai: seconds in the text",
        "openai",
        {},
        7,
        8,
        gpt_error("Rate limit reached. Please try again in 7.5s.", "rate_limit_exceeded", "tokens"),
    ),
    limited(
        "google: RetryInfo",
        "google",
        {},
        41,
        42,
        gemini_error(429, "Quota exceeded", "RESOURCE_EXHAUSTED", retry_info("41.276s")),
    ),
    limited(
        "google: RetryInfo 0 s",
        "google",
        {},
        *_FIRST_PAUSE,
        gemini_error(429, "Quota exceeded", "RESOURCE_EXHAUSTED", retry_info("0s")),
    ),
    limited(
        "google: a day's quota",
        "google",
        {},
        *_FIRST_PAUSE,
        gemini_error(
            429,
            "Quota exceeded",
            "RESOURCE_EXHAUSTED",
            {
                "@type": "type.googleapis.com/google.rpc.QuotaFailure",
                "violations": [{"quotaId": "GenerateRequestsPerDayPerProjectPerModel"}],
            },
        ),
    ),
    limited(
        "google: an error in a list",
        "google",
        {},
        30,
        30,
        [gemini_error(429, "q", "RESOURCE_EXHAUSTED", retry_info("30s"))],
    ),
    limited(
        "openai: text that PostgreSQL cannot hold",
        "openai",
        {},
        *_FIRST_PAUSE,
        b'{"error": {"message": "slow \\u0000 down \\ud800", "type": "requests"}}',
    ),
    WireRow(
        "anthropic: 529", "anthropic", 529, {}, claude_error("overloaded_error", "Overloaded"), Overloaded
    ),
    WireRow(
        "anthropic: overloaded with 500",
        "anthropic",
        500,
        {},
        claude_error("overloaded_error", "Overloaded"),
        Overloaded,
    ),
    WireRow(
        "google: 503",
        "google",
        503,
        {},
        gemini_error(503, "The model is overloaded.", "UNAVAILABLE"),
        Overloaded,
    ),
    WireRow("google: 499", "google", 499, {}, gemini_error(499, "cancelled", "CANCELLED"), ConnectionCut),
]


def _path_rows(vendor: str) -> list[WireRow]:
    def row(name: str, status: int, error: type[ProviderError], body: Any = b"", **headers: str) -> WireRow:
        named = {key.replace("_", "-"): value for key, value in headers.items()}
        return WireRow(f"{vendor}: {name}", vendor, status, named, body, error)

    return [
        row(
            "CDN challenge", 403, NetworkPathFailed, CHALLENGE, cf_mitigated="challenge", server="cloudflare"
        ),
        row("403 page", 403, NetworkPathFailed, "<html><h1>Forbidden</h1></html>"),
        row("redirect to a login", 302, NetworkPathFailed, location="https://login.example.com/"),
        row("proxy wants a login", 407, NetworkPathFailed, "<html>Proxy Authentication Required</html>"),
        row("captive portal", 200, NetworkPathFailed, "<html><form>Sign in</form></html>"),
        row(
            "body too large for a proxy", 413, NetworkPathFailed, "<html>413 Request Entity Too Large</html>"
        ),
        row("no such path", 404, NetworkPathFailed, {"detail": "Not Found"}),
        row("502 page", 502, ServerFailed, "<html><h1>502 Bad Gateway</h1></html>"),
        row("502 empty", 502, ServerFailed),
        row("CDN gave up", 524, TimedOut, "<html>524: a timeout occurred</html>"),
        row("empty answer", 200, MalformedAnswer),
        row("204", 204, MalformedAnswer),
        row("a list", 200, MalformedAnswer, [1]),
        row("JSON cut off", 200, MalformedAnswer, '{"choices": [{"mess'),
        row("a character cut off", 200, MalformedAnswer, '{"a": "é'.encode()[:-1]),
        row("nested without end", 200, MalformedAnswer, "[" * 100_000),
        row("ten megabytes", 200, MalformedAnswer, b'{"a": "' + b"x" * 10_000_000 + b'"}'),
    ]


PATH = [row for vendor in VENDORS for row in _path_rows(vendor)]

INSIDE = [
    WireRow(
        "openrouter: 429 inside",
        "openai",
        body={
            "error": {
                "message": "Provider returned error",
                "code": 429,
                "metadata": {"raw": "rate-limited upstream"},
            }
        },
        error=RateLimited,
        wait=_FIRST_PAUSE,
        says="rate-limited upstream",
    ),
    WireRow(
        "openrouter: 402 inside",
        "openai",
        body={"error": {"message": "Insufficient credits", "code": 402}},
        error=AccountExhausted,
        wait=_ACCOUNT_PAUSE,
    ),
    WireRow(
        "openrouter: 502 inside",
        "openai",
        body={"error": {"message": "Bad gateway", "code": 502}},
        error=ServerFailed,
    ),
    WireRow(
        "openrouter: the choice failed",
        "openai",
        body=chat(
            choices=[
                {"message": {"content": ""}, "finish_reason": "error", "error": {"code": 502, "message": "x"}}
            ]
        ),
        error=ServerFailed,
    ),
    WireRow(
        "responses: failed",
        "responses",
        body={
            **RESPONSE,
            "status": "failed",
            "output": [],
            "usage": None,
            "error": {"code": "server_error", "message": "x"},
        },
        error=ServerFailed,
    ),
    WireRow(
        "anthropic: error inside",
        "anthropic",
        body=claude_error("overloaded_error", "Overloaded"),
        error=Overloaded,
    ),
    WireRow(
        "google: error inside",
        "google",
        body=gemini_error(503, "overloaded", "UNAVAILABLE"),
        error=Overloaded,
    ),
]

EMPTY = [
    *(
        WireRow(
            f"google: {reason} without content",
            "google",
            body=gemini(candidates=[{"finishReason": reason}]),
            error=AnswerMissing,
        )
        for reason in ("STOP", "OTHER", "MALFORMED_FUNCTION_CALL", "NEW_REASON")
    ),
    WireRow("google: no candidate", "google", body=gemini(candidates=[]), error=AnswerMissing),
    WireRow(
        "google: text null",
        "google",
        error=AnswerMissing,
        body=gemini(candidates=[{"content": {"parts": [{"text": None}]}, "finishReason": "STOP"}]),
    ),
    WireRow("anthropic: nothing said", "anthropic", body=message(content=[]), error=AnswerMissing),
    WireRow(
        "anthropic: unknown reason", "anthropic", body=message(stop_reason="new_reason"), error=AnswerMissing
    ),
    WireRow("anthropic: content is a text", "anthropic", body=message(content="hi"), error=MalformedAnswer),
    WireRow("openai: choices null", "openai", body=chat(choices=None), error=MalformedAnswer),
    WireRow(
        "openai: message null",
        "openai",
        error=MalformedAnswer,
        body=chat(choices=[{"message": None, "finish_reason": "stop"}]),
    ),
    WireRow(
        "responses: still running",
        "responses",
        body={**RESPONSE, "status": "in_progress", "output": []},
        error=AnswerMissing,
    ),
    WireRow(
        "google: prompt blocked",
        "google",
        stop=StopReason.CONTENT_FILTER,
        source=UsageSource.MISSING,
        body={"promptFeedback": {"blockReason": "OTHER"}},
    ),
    *(
        WireRow(
            f"google: {reason}",
            "google",
            body=gemini(candidates=[{"finishReason": reason}]),
            stop=StopReason.CONTENT_FILTER,
        )
        for reason in ("SAFETY", "RECITATION", "PROHIBITED_CONTENT")
    ),
    WireRow(
        "anthropic: refusal",
        "anthropic",
        body=message(stop_reason="refusal", content=[]),
        stop=StopReason.REFUSAL,
    ),
]

_GOOD = UsageSource.REPORTED
_NONE = UsageSource.MISSING
_ODD = UsageSource.DOUBTFUL


def _spent(name: str, source: UsageSource, usage: Any, vendor: str = "openai") -> WireRow:
    key = "usageMetadata" if vendor == "google" else "usage"
    return WireRow(f"{vendor}: {name}", vendor, body={**WHOLE[vendor], key: usage}, source=source)


USAGE = [
    *(WireRow(f"{vendor}: whole", vendor, body=WHOLE[vendor]) for vendor in WHOLE),
    *(_spent("usage null", _NONE, None, vendor) for vendor in WHOLE),
    *(_spent("usage is a list", _ODD, [1, 2], vendor) for vendor in WHOLE),
    _spent("counts null", _NONE, {"prompt_tokens": None, "completion_tokens": None}),
    _spent("counts zero", _NONE, {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}),
    _spent("only a total", _NONE, {"total_tokens": 15}),
    _spent("no output count", _NONE, {"prompt_tokens": 10}),
    _spent("whole floats", _GOOD, {"prompt_tokens": 10.0, "completion_tokens": 5.0}),
    _spent("booleans", _ODD, {"prompt_tokens": True, "completion_tokens": True}),
    _spent("negative", _ODD, {"prompt_tokens": -10, "completion_tokens": 5}),
    _spent("1e30", _ODD, {"prompt_tokens": 1e30, "completion_tokens": 5}),
    _spent("a count is a list", _ODD, {"prompt_tokens": [10], "completion_tokens": 5}),
    _spent(
        "more cached than sent",
        _ODD,
        {"prompt_tokens": 10, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 500}},
    ),
    _spent(
        "more thought than written",
        _ODD,
        {"prompt_tokens": 10, "completion_tokens": 5, "completion_tokens_details": {"reasoning_tokens": 50}},
    ),
    _spent("a larger total", _ODD, {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 900}),
    _spent(
        "both names",
        _GOOD,
        {"prompt_tokens": 0, "completion_tokens": 0, "input_tokens": 10, "output_tokens": 5},
    ),
    _spent(
        "iterations beyond the total",
        _ODD,
        {"input_tokens": 1, "output_tokens": 5, "iterations": [{"input_tokens": 100, "output_tokens": 50}]},
        "anthropic",
    ),
    _spent("more cached than sent", _ODD, {"promptTokenCount": 10, "cachedContentTokenCount": 500}, "google"),
    _spent(
        "thoughts",
        _GOOD,
        {
            "promptTokenCount": 10,
            "candidatesTokenCount": 5,
            "thoughtsTokenCount": 100,
            "totalTokenCount": 115,
        },
        "google",
    ),
    WireRow(
        "openai: finish eos",
        "openai",
        body=chat(choices=[{"message": {"content": "hi"}, "finish_reason": "eos"}]),
    ),
    WireRow(
        "openai: finish left out",
        "openai",
        body=chat(choices=[{"message": {"content": "hi"}, "finish_reason": None}]),
    ),
    WireRow(
        "openai: content in parts",
        "openai",
        body=chat(
            choices=[{"message": {"content": [{"type": "text", "text": "hi"}]}, "finish_reason": "stop"}]
        ),
    ),
    *(
        WireRow(
            f"{vendor}: byte order mark",
            vendor,
            body=b"\xef\xbb\xbf\n\n " + json.dumps(WHOLE[vendor]).encode(),
        )
        for vendor in VENDORS
    ),
    WireRow(
        "openai: numbers that JSON does not have",
        "openai",
        body=json.dumps(chat(logprobs=[float("nan"), float("-inf")])),
    ),
    WireRow(
        "openai: an answer that PostgreSQL cannot hold",
        "openai",
        body=b'{"id": "a\\u0000", "model": "m\\u0000\\ud800", "choices": [{"message": {"content": "hi"}, '
        b'"finish_reason": "stop"}], "usage": {"prompt_tokens": 10, "completion_tokens": 5}}',
    ),
]


def stream(
    name: str, vendor: str, *events: Any, error: type[ProviderError] | None = None, **more: Any
) -> WireRow:
    """An answer as server-sent events; bytes are sent as they are."""
    sent = b""
    for event in events:
        if isinstance(event, bytes):
            sent += event
            continue
        if vendor in ("anthropic", "responses"):
            sent += f"event: {event['type']}\n".encode()
        sent += f"data: {json.dumps(event)}\n\n".encode()
    return WireRow(f"{vendor}: stream: {name}", vendor, 200, EVENTS, sent, error, **more)


EVENTS = {"content-type": "text/event-stream"}
_BEGIN = {
    "type": "message_start",
    "message": {
        **MESSAGE,
        "content": [],
        "stop_reason": None,
        "usage": {"input_tokens": 10, "output_tokens": 1},
    },
}
_HI = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "hi"}}
_TOLD = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 5}}
_STOP = {"type": "message_stop"}
_OVER = claude_error("overloaded_error", "Overloaded")
_PIECE = {
    "id": "c",
    "model": "m",
    "choices": [{"index": 0, "delta": {"content": "hi"}, "finish_reason": None}],
}
_LAST = {"id": "c", "model": "m", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
_COUNTS = {"id": "c", "model": "m", "choices": [], "usage": CHAT["usage"]}
_DELTA = {"type": "response.output_text.delta", "delta": "hi"}
_FAILED = {"id": "r", "status": "failed", "output": [], "error": {"code": "server_error", "message": "x"}}
_PART = {"candidates": [{"content": {"parts": [{"text": "hi"}]}}]}

STREAMS = [
    stream("whole", "anthropic", _BEGIN, _HI, _TOLD, _STOP),
    stream(
        "no usage but that of the beginning",
        "anthropic",
        _BEGIN,
        _HI,
        {**_TOLD, "usage": None},
        _STOP,
        source=_NONE,
    ),
    stream("the usage is a text", "anthropic", _BEGIN, _HI, {**_TOLD, "usage": "5"}, _STOP, source=_ODD),
    stream("again behind its end", "anthropic", _BEGIN, _HI, _TOLD, _STOP, _BEGIN, _HI, _TOLD, _STOP),
    stream("every event twice", "anthropic", _BEGIN, _BEGIN, _HI, _HI, _TOLD, _STOP, error=MalformedAnswer),
    stream(
        "text is a list",
        "anthropic",
        _BEGIN,
        {**_HI, "delta": {"text": ["hi"]}},
        _STOP,
        error=MalformedAnswer,
    ),
    stream("not UTF-8", "anthropic", _BEGIN, b'event: x\ndata: "\xff"\n\n', error=MalformedAnswer),
    stream("no end", "anthropic", _BEGIN, _HI, _TOLD, error=ConnectionCut),
    stream("empty", "anthropic", error=ConnectionCut),
    stream("overloaded at once", "anthropic", _OVER, error=Overloaded),
    stream(
        "overloaded in the middle", "anthropic", _BEGIN, _HI, _OVER, error=ConnectionCut, says="Overloaded"
    ),
    stream(
        "no money at once",
        "anthropic",
        claude_error("billing_error", "past due"),
        error=AccountExhausted,
        wait=_ACCOUNT_PAUSE,
    ),
    stream("whole", "openai", _PIECE, _LAST, _COUNTS, b"data: [DONE]\n\n"),
    stream("comments before it", "openai", b": PROCESSING\n\n" * 3, _PIECE, _LAST, _COUNTS),
    stream("no usage", "openai", _PIECE, _LAST, b"data: [DONE]\n\n", source=_NONE),
    stream(
        "refused at once",
        "openai",
        {"error": {"message": "busy", "code": 429}},
        error=RateLimited,
        wait=_FIRST_PAUSE,
    ),
    stream(
        "failed in the middle",
        "openai",
        _PIECE,
        {"error": {"message": "bad", "code": 502}},
        error=ConnectionCut,
    ),
    stream("no reason to stop", "openai", _PIECE, b"data: [DONE]\n\n", error=ConnectionCut),
    stream("half an event", "openai", _PIECE, b'data: {"id": \n\n', error=MalformedAnswer),
    stream("whole", "responses", _DELTA, {"type": "response.completed", "response": RESPONSE}),
    stream(
        "an error event",
        "responses",
        {"type": "error", "code": "rate_limit_exceeded", "message": "Please try again in 2s."},
        error=RateLimited,
        wait=(2, 2),
        says="try again in 2s",
    ),
    stream(
        "failed at once", "responses", {"type": "response.failed", "response": _FAILED}, error=ServerFailed
    ),
    stream(
        "failed in the middle",
        "responses",
        _DELTA,
        {"type": "response.failed", "response": _FAILED},
        error=ConnectionCut,
        says="broke off while it answered",
    ),
    stream("whole", "google", _PART, {**GEMINI, "candidates": [{"finishReason": "STOP"}]}),
    stream(
        "failed in the middle",
        "google",
        _PART,
        gemini_error(503, "overloaded", "UNAVAILABLE"),
        error=ConnectionCut,
    ),
    stream("no end", "google", _PART, error=ConnectionCut),
    stream(
        "a part is a number", "google", {"candidates": [{"content": {"parts": [1]}}]}, error=MalformedAnswer
    ),
]

WORDS = [
    WireRow(
        "anthropic: limit of a workspace",
        "anthropic",
        400,
        {},
        claude_error("invalid_request_error", "You have reached your specified workspace API usage limits."),
        AccountExhausted,
        _ACCOUNT_PAUSE,
    ),
    WireRow(
        "openrouter: limit of a key",
        "openai",
        403,
        {},
        gpt_error("Key limit exceeded"),
        AccountExhausted,
        _ACCOUNT_PAUSE,
    ),
    WireRow(
        "google: spending cap",
        "google",
        429,
        {},
        gemini_error(429, "Your project has exceeded its monthly spending cap.", "RESOURCE_EXHAUSTED"),
        AccountExhausted,
        _ACCOUNT_PAUSE,
    ),
    WireRow(
        "google: payload",
        "google",
        400,
        {},
        gemini_error(400, "Request payload size exceeds the limit: 20971520 bytes.", "INVALID_ARGUMENT"),
        ContextTooLong,
    ),
    WireRow(
        "llama.cpp: context",
        "openai",
        400,
        {},
        gpt_error("the request exceeds the available context size. try increasing the context size"),
        ContextTooLong,
    ),
    WireRow(
        "openrouter: no such model", "openai", 400, {}, gpt_error("x/y is not a valid model ID"), UnknownModel
    ),
    WireRow("openai: model is gone", "openai", 410, {}, gpt_error("This model is gone"), UnknownModel),
    WireRow(
        "google: key without details",
        "google",
        400,
        {},
        gemini_error(400, "API key not valid. Please pass a valid API key.", "INVALID_ARGUMENT"),
        AuthenticationFailed,
    ),
    WireRow(
        "openai: wrong method",
        "openai",
        405,
        {},
        gpt_error("Not allowed to POST on /v1"),
        NetworkPathFailed,
        says="Not allowed to POST",
    ),
    WireRow("openai: 400 without a message", "openai", 400, {}, b"", NetworkPathFailed),
    WireRow(
        "openai: 404 with what cannot be shown",
        "openai",
        404,
        {},
        b'{"detail": "a\\u0000b"}',
        NetworkPathFailed,
    ),
    limited(
        "openai: a body that cannot be unpacked",
        "openai",
        {"content-encoding": "gzip", "retry-after": "9"},
        9,
        9,
        b"not gzip",
    ),
    *(
        WireRow(
            f"{vendor}: a packed body",
            vendor,
            429,
            {"content-encoding": "gzip"},
            gzip.compress(b'{"error": {"message": "Your credit balance is too low"}}', mtime=0),
            AccountExhausted,
            _ACCOUNT_PAUSE,
            "credit balance is too low",
        )
        for vendor in VENDORS
    ),
]

ROWS: tuple[WireRow, ...] = (*ACCOUNT, *SIZE, *WAITS, *PATH, *INSIDE, *EMPTY, *USAGE, *STREAMS, *WORDS)
BY_NAME: Mapping[str, WireRow] = {row.name: row for row in ROWS}


def find_row(name: str) -> WireRow:
    """The row called `name`; raises `KeyError`."""
    return BY_NAME[name]
