"""Translate a vendor's HTTP answer into an error: its status, its codes, its words, and when to come back.

A status alone says too little: vendors send 400 for an account without money, 429 for a request that never
fits, and a proxy on the way sends any status at all. So the words count first, then the code
inside the body, then the status.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from providers.base import (
    AccountExhausted,
    AccountRestricted,
    AuthenticationFailed,
    BadRequest,
    ConnectionCut,
    ContentFiltered,
    ContextTooLong,
    MalformedAnswer,
    NetworkPathFailed,
    Overloaded,
    ProviderError,
    RateLimited,
    RequestTooLarge,
    ServerFailed,
    TimedOut,
    UnknownModel,
)
from providers.plain_text import clean_text
from providers.waits import LONGEST_PLAUSIBLE_SECONDS, read_retry_info, read_wait

_BY_STATUS: Final[Mapping[int, type[ProviderError]]] = {
    401: AuthenticationFailed,
    402: AccountExhausted,
    403: AuthenticationFailed,
    404: UnknownModel,
    407: NetworkPathFailed,
    408: TimedOut,  # the vendor gave up on a request that it had begun
    409: ServerFailed,
    413: ContextTooLong,
    423: ServerFailed,
    424: ServerFailed,  # the server behind a router failed
    429: RateLimited,
    451: AccountRestricted,
    498: Overloaded,  # a tier without room
    499: ConnectionCut,
    # Google answers 503, Anthropic 529, for the same: up, but too busy.
    503: Overloaded,
    504: TimedOut,
    511: NetworkPathFailed,  # a login page on the way
    524: TimedOut,  # a CDN gave up on a vendor that had begun
    529: Overloaded,
}
# Codes that say more than the status they come with.
_BY_CODE: Final[Mapping[str, type[ProviderError]]] = {
    "insufficient_quota": AccountExhausted,
    "billing_error": AccountExhausted,
    "billing_hard_limit_reached": AccountExhausted,
    "billing_not_active": AccountExhausted,
    "account_deactivated": AccountRestricted,
    "access_terminated": AccountRestricted,
    "ip_not_authorized": AccountRestricted,
    "unsupported_country_region_territory": AccountRestricted,
    # Google's reasons of a 403 that no other key of the same project would change.
    "API_KEY_SERVICE_BLOCKED": AccountRestricted,
    "CONSUMER_SUSPENDED": AccountRestricted,
    "SERVICE_DISABLED": AccountRestricted,
    "model_not_found": UnknownModel,
    "DeploymentNotFound": UnknownModel,
    "context_length_exceeded": ContextTooLong,
    "request_too_large": ContextTooLong,
    "content_filter": ContentFiltered,
    "content_policy_violation": ContentFiltered,
    "invalid_prompt": ContentFiltered,
    "moderation_blocked": ContentFiltered,
    "invalid_api_key": AuthenticationFailed,
    "API_KEY_INVALID": AuthenticationFailed,
    "overloaded_error": Overloaded,
    "rate_limit_error": RateLimited,
    "rate_limit_exceeded": RateLimited,
    "slow_down": Overloaded,
}
# What an error is called inside an answer, and the status that it would have had outside: Anthropic's types,
# Google's codes.
_STATUS_BY_TYPE: Final[Mapping[str, int]] = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "permission_error": 403,
    "not_found_error": 404,
    "timeout_error": 504,
    "FAILED_PRECONDITION": 400,
    "INVALID_ARGUMENT": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "RESOURCE_EXHAUSTED": 429,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}
# Words that say more than the status, where the vendor has no code for it. The words of a vendor may quote
# the request, so only statuses that refuse one are compared, and the texts are whole phrases.
_BY_WORDS: Final = (
    (
        re.compile(
            r"credit balance is too low|specified (workspace )?API usage limits"
            r"|prepayment credits are depleted|spend(ing)? (cap|limit)|key limit exceeded"
            r"|billing hard limit|limit: 0(?![\d.])|insufficient (credits|balance)",
            re.I,
        ),
        AccountExhausted,
    ),
    (
        re.compile(
            r"prompt is too long|maximum context length|input token count .{0,40}exceeds"
            r"|exceed(s|ed)? (the )?(model's |available )?context (window|limit|length|size)"
            r"|longer than the model's context length|request payload size exceeds",
            re.I,
        ),
        ContextTooLong,
    ),
    (re.compile(r"Extra usage is required for long context|Request too large for", re.I), RequestTooLarge),
    (
        re.compile(
            r"User location is not supported|not available in your country"
            r"|enable billing|billing to be enabled|organization has been disabled"
            r"|project has been denied access|organization must be verified",
            re.I,
        ),
        AccountRestricted,
    ),
    (
        re.compile(
            r"flagged as potentially violating|rejected as a result of our safety system"
            r"|blocked by content filtering|your input was flagged",
            re.I,
        ),
        ContentFiltered,
    ),
    # From what is in front of an API, also where it answers in JSON.
    (re.compile(r"Virtual Network/Firewall rules|Missing Authentication Token", re.I), NetworkPathFailed),
    (re.compile(r"API key (not valid|expired)", re.I), AuthenticationFailed),
    (re.compile(r"is not a valid model|invalid model (name|id)|unknown model", re.I), UnknownModel),
)
_REFUSING: Final = frozenset({400, 402, 403, 413, 422, 429})
# A rate limit says what it admits in a minute and what was asked; used ones in between do not matter.
_ASKED: Final = re.compile(r"Limit:? (\d{1,12})\b.{0,60}?\bRequested:? (\d{1,12})\b", re.I | re.S)
# What an API answers to a request for a model. Other refusals, and those without a message, come from what is
# in front of it, or from a server that is not the API's.
_OF_AN_API: Final = frozenset({400, 401, 402, 403, 413, 422, *_BY_STATUS, *range(500, 1000)})
_MODEL: Final = re.compile(r"model|deployment|not_found|no endpoints found", re.I)
# No JSON begins so, and no line of an event stream.
_PAGE: Final = re.compile(rb"\s*<[!?a-z]", re.I)
_REGAINED: Final = re.compile(r"regain access on (\d{4}-\d\d-\d\d)(?: at (\d\d:\d\d))?")
_FIRST_CHARACTERS: Final = 2000  # of a message: enough to read, and no prompt echoed back whole


@dataclass(frozen=True, slots=True)
class _Words:
    """What the body of a refusal says. ``page``: it is a web page, ``plain``: it is not JSON, so that no API
    wrote it.
    """

    message: str = ""
    codes: tuple[str, ...] = ()
    waits: tuple[float, ...] = ()
    page: bool = False
    plain: bool = False


def error_from_answer(provider: str, status: int, headers: Mapping[str, str], body: bytes) -> ProviderError:
    """Return the error for the refusal that a vendor, or something in front of it, sent."""
    words = _read_words(body)
    # A page instead of JSON was not written by the API. A 5xx page is what a vendor's own front sends, and a
    # page with a 429 asks for a pause like any other.
    is_page_of_others = words.page and status < 500 and status != 429
    if is_page_of_others or _is_challenge(headers) or 300 <= status < 400:
        return NetworkPathFailed(provider, _describe(status, words, headers))
    if 200 <= status < 300:
        return MalformedAnswer(provider, f"HTTP {status} without an answer")
    # Servers answer 404 for a path and for a model; only their words tell which.
    if status in (404, 410):
        if _MODEL.search(" ".join((words.message, *words.codes))):
            return _build_error(provider, 404, words, headers, f"HTTP {status}")
        said = clean_text(words.message) or "there is no such path"
        return NetworkPathFailed(provider, f"HTTP {status}: {said}")
    is_silent = status in (400, 403) and not words.message and not words.codes
    # An API names what its key may not do in JSON; a firewall says "access denied".
    is_of_firewall = status == 403 and words.plain
    if is_silent or is_of_firewall or status not in _OF_AN_API:
        said = f": {clean_text(words.message)}" if words.message else ""
        return NetworkPathFailed(provider, _describe(status, words, headers) + said)
    return _build_error(provider, status, words, headers, f"HTTP {status}")


def error_inside(provider: str, raw: Mapping[str, Any]) -> ProviderError | None:
    """Return the error that a body with a success status carries; None where it carries none.

    OpenRouter answers so when the server behind it fails after the headers were sent.
    """
    inner = raw.get("error")
    # vLLM puts the fields of the error where the answer would be.
    if not inner and raw.get("object") == "error":
        inner = raw
    if not inner:
        return None
    words = _read_object(raw)
    status = _read_status(inner.get("code")) if isinstance(inner, Mapping) else None
    if status is None:
        # Without a status of its own, its type is that of one; else the provider failed.
        status = next((_STATUS_BY_TYPE[code] for code in words.codes if code in _STATUS_BY_TYPE), 500)
    error = _build_error(provider, status, words, {}, "an error inside the answer")
    error.raw = raw
    return error


def _read_status(code: Any) -> int | None:
    """Return a code that is an HTTP status of a refusal, as a number or in digits; else None."""
    if isinstance(code, str) and re.fullmatch(r"[45]\d\d", code):
        return int(code)
    if isinstance(code, int) and not isinstance(code, bool) and 400 <= code < 600:
        return code
    return None


def error_from_status(
    provider: str,
    status: int,
    message: str,
    *,
    codes: Iterable[str] = (),
    headers: Mapping[str, str],
    waits: Iterable[float] = (),
) -> ProviderError:
    """Return the error for an HTTP ``status`` of a vendor.

    ``codes`` are the vendor's own error codes, ``waits`` seconds that its body named (Google's RetryInfo).
    """
    return _build_error(
        provider, status, _Words(message, tuple(codes), tuple(waits)), headers, f"HTTP {status}"
    )


def _build_error(
    provider: str, status: int, words: _Words, headers: Mapping[str, str], where: str
) -> ProviderError:
    named = read_wait(headers, words.message, words.waits)
    kind = _find_kind(status, words.codes, words.message)
    detail = f"{where}: {clean_text(words.message[:_FIRST_CHARACTERS])}"
    if named.nonsense and kind in (RateLimited, AccountExhausted):
        detail += f" (it named no usable time: {clean_text(named.nonsense)})"
    error = kind(provider, detail)
    error.retry_after_seconds = named.seconds
    if isinstance(error, AccountExhausted):
        error.retry_after_seconds = _seconds_until_regained(words.message) or named.seconds
    return error


def _find_kind(status: int, codes: Iterable[str], message: str) -> type[ProviderError]:
    # Words before codes: OpenAI's code of a request that never fits is the one of any rate limit.
    if status in _REFUSING:
        asked = _ASKED.search(message[:_FIRST_CHARACTERS])
        if asked is not None and int(asked[2]) > int(asked[1]):
            return RequestTooLarge
        for pattern, kind in _BY_WORDS:
            if pattern.search(message[:_FIRST_CHARACTERS]):
                return kind
    # A code is more exact than a status: 429 with insufficient_quota does not end by waiting.
    for code in codes:
        if code in _BY_CODE:
            return _BY_CODE[code]
    return _BY_STATUS.get(status) or (ServerFailed if status >= 500 else BadRequest)


def _seconds_until_regained(message: str) -> float | None:
    """Return the seconds until an account that reached its spending limit is served again, as it says."""
    said = _REGAINED.search(message)
    if said is None:
        return None
    try:
        at = datetime.fromisoformat(f"{said[1]}T{said[2] or '00:00'}:00+00:00")
    except ValueError:
        return None
    seconds = (at - datetime.now(UTC)).total_seconds()
    return min(max(seconds, 0.0), LONGEST_PLAUSIBLE_SECONDS) or None


def _is_challenge(headers: Mapping[str, str]) -> bool:
    """Return whether a CDN wants a browser to prove itself, which no API client can."""
    return any(name.lower() == "cf-mitigated" for name in headers)


def _describe(status: int, words: _Words, headers: Mapping[str, str]) -> str:
    target = next((value for name, value in headers.items() if name.lower() == "location"), "")
    to = f", which leads to {clean_text(target[:200])}" if target else ""
    what = "a web page instead of the provider's API" if words.page else "no answer of the provider's API"
    return f"HTTP {status}: {what}{to}"


def _read_words(body: bytes) -> _Words:
    if is_page(body):
        return _Words("a web page", page=True)
    try:
        parsed = json.loads(body)
    except (ValueError, RecursionError):
        return _Words(body[:_FIRST_CHARACTERS].decode("utf-8", "replace").strip(), plain=bool(body.strip()))
    # Google wraps some errors in a list of one.
    if isinstance(parsed, list) and parsed:
        parsed = parsed[0]
    return _read_object(parsed) if isinstance(parsed, dict) else _Words(str(parsed)[:_FIRST_CHARACTERS])


def is_page(body: bytes) -> bool:
    """Return whether a body is a web page."""
    return _PAGE.match(body[:512].removeprefix(b"\xef\xbb\xbf")) is not None


def _read_object(body: Mapping[str, Any]) -> _Words:
    """Read the error object of any vendor: message, codes, and the waits of Google's details."""
    inner = body.get("error") or body
    if not isinstance(inner, Mapping):
        return _Words(str(inner)[:_FIRST_CHARACTERS])
    details = inner.get("details")
    listed = [one for one in details if isinstance(one, dict)] if isinstance(details, list) else []
    codes = [
        inner.get("code"),
        inner.get("type"),
        inner.get("status"),
        *(one.get("reason") for one in listed),
    ]
    message = str(inner.get("message") or inner.get("detail") or "")
    # OpenRouter keeps the words of the server behind it here.
    upstream = inner.get("metadata")
    if isinstance(upstream, Mapping) and upstream.get("raw"):
        message = f"{message}: {upstream['raw']}"
    return _Words(
        message, tuple(code for code in codes if isinstance(code, str)), tuple(read_retry_info(details))
    )
