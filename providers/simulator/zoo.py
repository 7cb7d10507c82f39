"""Errors that the vendors, and the proxies in front of them, really send, by name.

A name is a kind of fault (``PUT /__sim__/openai {"faults": [{"kind": "insufficient-quota"}]}``). Each is
answered with the vendor's own status, headers and body, before anything is generated, whether or not a stream
was asked for.
"""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from types import MappingProxyType
from typing import Any, Final

ANTHROPIC: Final = ("anthropic",)
OPENAI: Final = ("openai",)
GOOGLE: Final = ("google",)
ALL: Final = ("anthropic", "openai", "google")
_YEARS: Final = timedelta(days=3650)


@dataclass(frozen=True, slots=True)
class ZooAnswer:
    """One answer. A body that is not text is sent as JSON; a header may name a time, given the time now."""

    vendors: tuple[str, ...]
    status: int
    body: Any
    headers: Mapping[str, str | Callable[[float], str]] = field(default_factory=dict)

    def content(self) -> bytes:
        """Return the bytes of the body."""
        return (self.body if isinstance(self.body, str) else json.dumps(self.body)).encode()

    def sent_headers(self) -> dict[str, str]:
        """Return the headers as they are sent now."""
        kind = "text/html" if isinstance(self.body, str) else "application/json"
        now = time.time()
        named = {
            name: value if isinstance(value, str) else value(now) for name, value in self.headers.items()
        }
        return {"Content-Type": kind, **named}


def _claude(kind: str, message: str) -> dict[str, Any]:
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_simulated"}


def _gpt(message: str, kind: str = "invalid_request_error", code: Any = None) -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def _gemini(status: int, message: str, name: str, *details: dict[str, Any]) -> dict[str, Any]:
    return {"error": {"code": status, "message": message, "status": name, "details": list(details)}}


def _violation(quota: str) -> dict[str, Any]:
    return {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{"quotaId": quota}]}


def _retry_info(delay: str) -> dict[str, Any]:
    return {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay}


def _instant(seconds: float) -> Callable[[float], str]:
    return lambda now: datetime.fromtimestamp(now + seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _limited(vendors: tuple[str, ...], value: str | Callable[[float], str]) -> ZooAnswer:
    """A rate limit with a ``Retry-After`` that makes no sense."""
    return ZooAnswer(
        vendors, 429, _gpt("Rate limit reached", "requests", "rate_limit_exceeded"), {"Retry-After": value}
    )


def _candidate(reason: str) -> dict[str, Any]:
    return {
        "candidates": [{"finishReason": reason, "index": 0}],
        "usageMetadata": {"promptTokenCount": 10, "totalTokenCount": 10},
        "modelVersion": "simulated",
        "responseId": "simulated",
    }


_SPENT: Final = "You have reached your specified API usage limits. You will regain access on {}."
_CHALLENGE: Final = "<!DOCTYPE html><html><head><title>Just a moment...</title></head><body></body></html>"
_LOGIN: Final = "<html><head><title>Sign in to the network</title></head><body>Accept the terms</body></html>"
_UPSTREAM: Final = "Provider returned error"

ZOO: Final[Mapping[str, ZooAnswer]] = MappingProxyType(
    {
        # The account has no money left, or may spend none.
        "credit-balance-too-low": ZooAnswer(
            ANTHROPIC,
            400,
            _claude(
                "invalid_request_error",
                "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing.",
            ),
        ),
        "spend-limit-reached": ZooAnswer(
            ANTHROPIC, 400, _claude("invalid_request_error", _SPENT.format("2027-01-01 at 00:00 UTC"))
        ),
        "insufficient-quota": ZooAnswer(
            OPENAI,
            429,
            _gpt(
                "You exceeded your current quota, please check your plan and billing details.",
                "insufficient_quota",
                "insufficient_quota",
            ),
        ),
        "billing-hard-limit": ZooAnswer(
            OPENAI, 400, _gpt("Billing hard limit has been reached", code="billing_hard_limit_reached")
        ),
        "prepayment-depleted": ZooAnswer(
            GOOGLE,
            429,
            _gemini(429, "Your prepayment credits are depleted.", "RESOURCE_EXHAUSTED"),
        ),
        "limit-zero": ZooAnswer(
            GOOGLE,
            429,
            _gemini(
                429,
                "You exceeded your current quota. Quota exceeded for metric free_tier_requests, limit: 0",
                "RESOURCE_EXHAUSTED",
                _violation("GenerateRequestsPerDayPerProjectPerModel-FreeTier"),
                _retry_info("0s"),
            ),
        ),
        # The request can never pass, however long it waits.
        "prompt-too-long": ZooAnswer(
            ANTHROPIC,
            400,
            _claude("invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum"),
        ),
        "context-length-exceeded": ZooAnswer(
            OPENAI,
            400,
            _gpt(
                "This model's maximum context length is 128000 tokens.",
                code="context_length_exceeded",
            ),
        ),
        "input-tokens-exceeded": ZooAnswer(
            GOOGLE,
            400,
            _gemini(
                400,
                "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
                "INVALID_ARGUMENT",
            ),
        ),
        "extra-usage-required": ZooAnswer(
            ANTHROPIC,
            429,
            _claude("rate_limit_error", "Extra usage is required for long context requests."),
        ),
        "request-too-large": ZooAnswer(
            OPENAI,
            429,
            _gpt(
                "Request too large for gpt-4.1 on tokens per min (TPM): Limit 30000, Requested 36278.",
                "tokens",
                "rate_limit_exceeded",
            ),
        ),
        "body-too-large": ZooAnswer(
            ANTHROPIC, 413, _claude("request_too_large", "Request exceeds the maximum size")
        ),
        # A wait that is named, in every way in which it is.
        "rate-limited": ZooAnswer(
            ANTHROPIC,
            429,
            _claude("rate_limit_error", "This request would exceed your organization's rate limit"),
            {
                "retry-after": "2",
                "anthropic-ratelimit-tokens-remaining": "0",
                "anthropic-ratelimit-tokens-reset": _instant(55),
            },
        ),
        "wait-in-the-text": ZooAnswer(
            OPENAI,
            429,
            _gpt(
                "Rate limit reached for gpt-4.1 on tokens per min (TPM). Please try again in 174ms.",
                "tokens",
                "rate_limit_exceeded",
            ),
        ),
        "reset-in-milliseconds": ZooAnswer(
            OPENAI,
            429,
            _gpt("Rate limit exceeded: free-models-per-min.", "requests", 429),
            {
                "X-RateLimit-Remaining": "0",
                "X-RateLimit-Reset": lambda now: str(int((now + 20) * 1000)),
            },
        ),
        "day-quota-without-wait": ZooAnswer(
            GOOGLE,
            429,
            _gemini(
                429,
                "Quota exceeded for metric generate_requests_per_day",
                "RESOURCE_EXHAUSTED",
                _violation("GenerateRequestsPerDayPerProjectPerModel"),
            ),
        ),
        # A wait that makes no sense.
        "retry-after-zero": _limited(ALL, "0"),
        "retry-after-infinite": _limited(ALL, "inf"),
        "retry-after-huge": _limited(ALL, "1e300"),
        "retry-after-in-years": _limited(
            ALL,
            lambda now: format_datetime(datetime.fromtimestamp(now, UTC) + _YEARS, usegmt=True),
        ),
        "retry-delay-zero": ZooAnswer(
            GOOGLE, 429, _gemini(429, "Resource exhausted", "RESOURCE_EXHAUSTED", _retry_info("0s"))
        ),
        # The vendor is up and has too much to do.
        "overloaded": ZooAnswer(ANTHROPIC, 529, _claude("overloaded_error", "Overloaded")),
        "overloaded-500": ZooAnswer(ANTHROPIC, 500, _claude("overloaded_error", "Overloaded")),
        "model-overloaded": ZooAnswer(
            GOOGLE, 503, _gemini(503, "The model is overloaded. Please try again later.", "UNAVAILABLE")
        ),
        # The account may not make such calls.
        "location-not-supported": ZooAnswer(
            GOOGLE,
            400,
            _gemini(400, "User location is not supported for the API use.", "FAILED_PRECONDITION"),
        ),
        "key-leaked": ZooAnswer(
            GOOGLE, 403, _gemini(403, "Your API key was reported as leaked.", "PERMISSION_DENIED")
        ),
        "account-deactivated": ZooAnswer(
            OPENAI,
            403,
            _gpt("The OpenAI account of this API key has been deactivated.", code="account_deactivated"),
        ),
        "model-retired": ZooAnswer(
            OPENAI, 404, _gpt("The model `gpt-4-turbo` has been deprecated.", code="model_not_found")
        ),
        "content-filter-400": ZooAnswer(
            OPENAI,
            400,
            _gpt("The response was filtered due to the content policy.", code="content_filter"),
        ),
        # A success that is none.
        "error-inside-429": ZooAnswer(OPENAI, 200, {"error": {"message": _UPSTREAM, "code": 429}}),
        "error-inside-402": ZooAnswer(
            OPENAI, 200, {"error": {"message": "Insufficient credits", "code": 402}}
        ),
        "error-inside-502": ZooAnswer(OPENAI, 200, {"error": {"message": _UPSTREAM, "code": 502}}),
        "stop-without-content": ZooAnswer(GOOGLE, 200, _candidate("STOP")),
        "stop-other": ZooAnswer(GOOGLE, 200, _candidate("OTHER")),
        "malformed-function-call": ZooAnswer(GOOGLE, 200, _candidate("MALFORMED_FUNCTION_CALL")),
        # The way there.
        "cdn-challenge": ZooAnswer(
            ALL, 403, _CHALLENGE, {"cf-mitigated": "challenge", "Server": "cloudflare"}
        ),
        "login-redirect": ZooAnswer(ALL, 302, _LOGIN, {"Location": "http://127.0.0.1:1/login"}),
        "proxy-login": ZooAnswer(ALL, 407, "<html>407</html>", {"Proxy-Authenticate": "Basic"}),
        "captive-portal": ZooAnswer(ALL, 200, _LOGIN),
        "bad-gateway": ZooAnswer(ALL, 502, "<html><h1>502 Bad Gateway</h1></html>"),
        # A text that PostgreSQL cannot hold: NUL, and half of a surrogate pair.
        "text-that-cannot-be-stored": ZooAnswer(
            ALL, 500, _gpt("failed \x00 and \ud800 more", "server_error")
        ),
    }
)
