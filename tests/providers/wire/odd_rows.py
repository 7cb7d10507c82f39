"""What servers, gateways and proxies send besides what the vendors document, and what it has to become.

The kinds: waits in other words and units, refusals of what is in front of an API, words that say more
than their status, usage that is half there or beyond belief, streams whose lines, types and ends are odd.
Served and checked like the rows of `rows.py`.
"""

import json
from dataclasses import replace
from typing import Any

from providers.base import (
    AccountExhausted,
    AccountRestricted,
    AnswerMissing,
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
    StopReason,
    UnknownModel,
    UsageSource,
)
from tests.providers.wire.rows import (
    CHAT,
    EVENTS,
    GEMINI,
    MESSAGE,
    RESPONSE,
    VENDORS,
    WHOLE,
    WireRow,
    claude_error,
    gemini,
    gemini_error,
    gpt_error,
    limited,
    retry_info,
    stream,
)

FIRST_PAUSE = (0.9, 1.1)
ACCOUNT_PAUSE = (59.0, 61.0)
AZURE = "Requests have exceeded the token rate limit of your pricing tier. Please retry after 26 seconds."
LIMIT = "Rate limit reached for gpt-4o in organization org-x on tokens per min (TPM): Limit 30000, "


def refused(
    name: str, status: int, error: type[ProviderError], body: Any, vendor: str = "openai", **more: Any
) -> WireRow:
    return WireRow(f"{vendor}: {name}", vendor, status, {}, body, error, **more)


def answered(name: str, vendor: str, body: bytes | str, kind: str = EVENTS["content-type"]) -> WireRow:
    """A body as it is, under a content type; it is a whole answer."""
    return WireRow(f"{vendor}: {name}", vendor, 200, {"content-type": kind}, body)


def spent(
    name: str, vendor: str, usage: dict[str, Any], source: UsageSource, stored: UsageSource | None = None
) -> WireRow:
    key = "usageMetadata" if vendor == "google" else "usage"
    return WireRow(
        f"{vendor}: usage: {name}", vendor, body={**WHOLE[vendor], key: usage}, source=source, stored=stored
    )


def raw(name: str, *parts: bytes, error: type[ProviderError] | None = None, **more: Any) -> WireRow:
    """Bytes on the connection, which is then closed."""
    return WireRow(f"openai: wire: {name}", "openai", error=error, raw=parts, **more)


WAITS = [
    limited("openai: seconds in words", "openai", {"retry-after": "30 seconds"}, 30, 30),
    limited("openai: a span in the header", "openai", {"retry-after": "1m30s"}, 90, 90),
    limited("openai: seconds as an exponent", "openai", {"retry-after": "1e3"}, 1000, 1000),
    limited("openai: milliseconds only", "openai", {"retry-after-ms": "2500"}, 2, 3),
    limited("azure: its own header", "openai", {"x-ms-retry-after-ms": "7000"}, 7, 7),
    limited("azure: only in the text", "openai", {}, 26, 26, gpt_error(AZURE, "429")),
    limited("openai: minutes in the text", "openai", {}, 86, 87, gpt_error("Please try again in 1m26.4s.")),
    limited("groq: seconds in the text", "openai", {}, 2, 3, gpt_error("Please try again in 2.5 seconds.")),
    limited(
        "google: only in the text",
        "google",
        {},
        38,
        39,
        gemini_error(429, "Please retry in 38.57s.", "RESOURCE_EXHAUSTED"),
    ),
    limited(
        "google: a delay as an object",
        "google",
        {},
        12,
        12,
        gemini_error(429, "q", "RESOURCE_EXHAUSTED", {"retryDelay": {"seconds": "12"}}),
    ),
    limited(
        "google: a delay as a number",
        "google",
        {},
        12,
        12,
        gemini_error(429, "q", "RESOURCE_EXHAUSTED", {"retryDelay": 12}),
    ),
    limited("gateway: ratelimit fields", "openai", {"ratelimit": '"default";r=0;t=23'}, 23, 23),
    limited(
        "gateway: one of two limits is used up",
        "openai",
        {"ratelimit": '"minute";r=40;t=9, "day";r=0;t=600'},
        600,
        600,
    ),
    limited(
        "gateway: ratelimit-reset", "openai", {"ratelimit-remaining": "0", "ratelimit-reset": "17"}, 17, 17
    ),
    *(
        limited(f"openai: nonsense {value!r}", "openai", {"retry-after": value}, *FIRST_PAUSE)
        for value in ("soon", "5;q=1", "PT30S", "0x1e", "9" * 400, "1796014014382103", "1s later")
    ),
    limited(
        "openai: a delay of no unit in the text",
        "openai",
        {},
        *FIRST_PAUSE,
        gpt_error("try again in 5 moons"),
    ),
    *(
        WireRow(
            f"{vendor}: a page with a 429",
            vendor,
            429,
            {"retry-after": "12"},
            "<html><h1>429 Too Many Requests</h1></html>",
            RateLimited,
            (12, 12),
        )
        for vendor in VENDORS
    ),
]

IN_FRONT = [
    *(
        row
        for vendor in VENDORS
        for row in (
            refused("a firewall in plain text", 403, NetworkPathFailed, "RBAC: access denied", vendor),
            refused(
                "a gateway without that path",
                403,
                NetworkPathFailed,
                {"message": "Missing Authentication Token"},
                vendor,
            ),
            refused("a firewall that says nothing", 403, NetworkPathFailed, "", vendor),
            refused("XML", 403, NetworkPathFailed, '<?xml version="1.0"?><Error/>', vendor),
            refused(
                "a page behind a comment", 200, NetworkPathFailed, "<!-- x --><html>login</html>", vendor
            ),
            refused("a page that is a fragment", 200, NetworkPathFailed, "<div>Sign in</div>", vendor),
            refused("a permanent move", 308, NetworkPathFailed, "", vendor),
            refused("misdirected", 421, NetworkPathFailed, "Misdirected Request", vendor),
            refused("too many headers", 431, NetworkPathFailed, "", vendor),
            refused("Latin-1", 500, ServerFailed, '{"error": "désolé"}'.encode("latin-1"), vendor),
            refused("an error that is a text", 500, ServerFailed, {"error": "boom"}, vendor, says="boom"),
            refused(
                "a message that is an object", 500, ServerFailed, {"error": {"message": {"a": 1}}}, vendor
            ),
        )
    ),
    refused(
        "azure: firewall in JSON",
        403,
        NetworkPathFailed,
        gpt_error("Access denied due to Virtual Network/Firewall rules.", "403"),
    ),
]

_VERIFIED = "Your organization must be verified to stream this model."
WORDS = [
    refused(
        "not verified", 400, AccountRestricted, gpt_error(_VERIFIED, "unsupported_value"), says="verified"
    ),
    refused("not verified, forbidden", 403, AccountRestricted, gpt_error(_VERIFIED, "unsupported_value")),
    refused("wrong address", 401, AccountRestricted, gpt_error("IP not authorized", "ip_not_authorized")),
    refused(
        "terminated", 403, AccountRestricted, gpt_error("Your access was terminated", "access_terminated")
    ),
    refused(
        "a prompt against the policy",
        400,
        ContentFiltered,
        gpt_error("Invalid prompt: your prompt was flagged", "invalid_prompt"),
    ),
    refused("moderation", 400, ContentFiltered, gpt_error("rejected as a result of our safety system")),
    refused("openrouter: flagged", 403, ContentFiltered, gpt_error("Your input was flagged")),
    refused(
        "output against the policy",
        400,
        ContentFiltered,
        claude_error("invalid_request_error", "Output blocked by content filtering policy"),
        "anthropic",
    ),
    refused(
        "a month's spend",
        429,
        AccountExhausted,
        claude_error("rate_limit_error", "You have reached your monthly spend limit"),
        "anthropic",
        wait=ACCOUNT_PAUSE,
    ),
    refused(
        "too large, in other words",
        429,
        RequestTooLarge,
        gpt_error("Request too large: Limit 30000, Requested 36278.", "rate_limit_exceeded", "tokens"),
    ),
    refused(
        "more than the limit in one request",
        429,
        RequestTooLarge,
        gpt_error(f"{LIMIT}Used 0, Requested 36278."),
    ),
    refused(
        "less than the limit in one request",
        429,
        RateLimited,
        gpt_error(f"{LIMIT}Used 29000, Requested 5000. Please try again in 8s."),
        wait=(8, 8),
    ),
    refused(
        "openrouter: nobody serves it",
        404,
        UnknownModel,
        gpt_error("No endpoints found that support the requested parameters"),
    ),
    refused("ollama: not pulled", 404, UnknownModel, gpt_error('model "x" not found, try pulling it first')),
    refused("azure: no such path", 404, NetworkPathFailed, gpt_error("Resource not found", "404")),
    refused(
        "azure: wrong key", 401, AuthenticationFailed, gpt_error("Access denied due to invalid key", "401")
    ),
    refused(
        "the API is off",
        403,
        AccountRestricted,
        gemini_error(403, "API has not been used", "PERMISSION_DENIED", {"reason": "SERVICE_DISABLED"}),
        "google",
    ),
    refused(
        "the key is for another API",
        403,
        AccountRestricted,
        gemini_error(403, "are blocked", "PERMISSION_DENIED", {"reason": "API_KEY_SERVICE_BLOCKED"}),
        "google",
    ),
    *(
        refused(
            "the code of an error inside is a text",
            200,
            RateLimited,
            {"error": {"code": "rate_limit_exceeded", "message": "slow down"}},
            vendor,
            wait=FIRST_PAUSE,
            says="slow down",
        )
        for vendor in VENDORS
    ),
    refused(
        "the code of an error inside is in digits",
        200,
        RateLimited,
        gemini_error(429, "q", "X"),
        "google",
        wait=FIRST_PAUSE,
    ),
    stream(
        "the prompt is too long for the stream",
        "anthropic",
        claude_error("invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum"),
        error=ContextTooLong,
    ),
    stream(
        "no money for the stream",
        "anthropic",
        claude_error("invalid_request_error", "Your credit balance is too low"),
        error=AccountExhausted,
        wait=ACCOUNT_PAUSE,
    ),
    stream("an unknown field", "anthropic", claude_error("invalid_request_error", "x"), error=BadRequest),
    stream(
        "a key that ended", "anthropic", claude_error("authentication_error", "x"), error=AuthenticationFailed
    ),
    refused(
        "an error inside without a number",
        200,
        Overloaded,
        {"error": {"status": "UNAVAILABLE", "message": "busy"}},
        "google",
    ),
    refused("an error inside that is false", 200, AnswerMissing, {"error": False}, "google"),
    refused(
        "vllm: the error is the body",
        200,
        RateLimited,
        {"object": "error", "message": "slow down", "code": 429},
        wait=FIRST_PAUSE,
        says="slow down",
    ),
]

_GOOD, _NONE, _ODD = UsageSource.REPORTED, UsageSource.MISSING, UsageSource.DOUBTFUL
_COUNTED = UsageSource.COUNTED
USAGE = [
    spent("an answer of no tokens", "openai", {"prompt_tokens": 10, "completion_tokens": 0}, _GOOD, _COUNTED),
    spent("a prompt of no tokens", "openai", {"prompt_tokens": 0, "completion_tokens": 5}, _GOOD, _COUNTED),
    spent("an answer of no tokens", "anthropic", {"input_tokens": 10, "output_tokens": 0}, _GOOD, _COUNTED),
    spent("only the prompt", "google", {"promptTokenCount": 10}, _GOOD, _COUNTED),
    spent(
        "far more than was sent",
        "google",
        {"promptTokenCount": 10, "candidatesTokenCount": 5, "totalTokenCount": 99_999_999},
        _GOOD,
        _ODD,
    ),
    spent(
        "far more than may be written",
        "anthropic",
        {"input_tokens": 9, "output_tokens": 9_000_000},
        _GOOD,
        _ODD,
    ),
    spent(
        "parts far beyond the total",
        "openai",
        {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 88_000_000},
        _ODD,
    ),
    spent("no counts", "openai", {"cost": 0.1}, _NONE),
    spent("texts", "openai", {"prompt_tokens": "10", "completion_tokens": "5"}, _ODD),
    spent("fractions", "openai", {"prompt_tokens": 10.5, "completion_tokens": 5}, _ODD),
    spent(
        "details in a list",
        "openai",
        {"prompt_tokens": 1, "completion_tokens": 5, "prompt_tokens_details": [1]},
        _ODD,
    ),
    spent(
        "less than nothing from the cache",
        "openai",
        {"prompt_tokens": 10, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": -5}},
        _ODD,
    ),
    spent("thirty digits", "openai", {"prompt_tokens": 10**30, "completion_tokens": 5}, _ODD),
    spent("less than nothing", "anthropic", {"input_tokens": 10, "output_tokens": -5}, _ODD),
    spent(
        "a cache in a list",
        "anthropic",
        {"input_tokens": 10, "output_tokens": 5, "cache_creation": [1]},
        _ODD,
    ),
    spent(
        "thoughts of less than nothing", "google", {"promptTokenCount": 10, "thoughtsTokenCount": -4}, _ODD
    ),
    spent(
        "thoughts beside the answer",
        "openai",
        {
            "prompt_tokens": 10,
            "completion_tokens": 5,
            "total_tokens": 115,
            "completion_tokens_details": {"reasoning_tokens": 100},
        },
        _GOOD,
    ),
]

_PIECE = {"id": "c", "model": "m", "choices": [{"index": 0, "delta": {"content": "hi"}}]}
_LAST = {"id": "c", "model": "m", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
_COUNTS = {"id": "c", "model": "m", "choices": [], "usage": CHAT["usage"]}
_DELTA = {"type": "response.output_text.delta", "delta": "hi"}
_PART = {"candidates": [{"content": {"parts": [{"text": "hi"}]}}]}
_STOP = {**GEMINI, "candidates": [{"finishReason": "STOP"}]}
_CHUNKS: dict[str, list[dict[str, Any]]] = {
    "openai": [_PIECE, _LAST, _COUNTS],
    "google": [_PART, _STOP],
    "anthropic": [
        {"type": "message_start", "message": {**MESSAGE, "content": [], "stop_reason": None}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "hi"}},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 5}},
        {"type": "message_stop"},
    ],
}


def events(vendor: str, *, end: str = "\n", space: str = " ", between: str = "") -> str:
    """A whole answer as a stream, with lines that end, and data that begins, as asked."""
    text = ""
    for chunk in _CHUNKS[vendor]:
        name = f"event: {chunk['type']}{end}" if vendor == "anthropic" else ""
        text += f"{between}{name}data:{space}{json.dumps(chunk)}{end}{end}"
    return text


LINES = [
    *(
        row
        for vendor in VENDORS
        for row in (
            answered("lines of Windows", vendor, events(vendor, end="\r\n")),
            answered("lines of an old Mac", vendor, events(vendor, end="\r")),
            answered("no space behind the colon", vendor, events(vendor, space="")),
            answered("a byte order mark", vendor, "\ufeff" + events(vendor)),
            answered("comments between", vendor, events(vendor, between=": keep-alive\n\n")),
            answered("events without data", vendor, events(vendor, between="data:\n\n")),
            answered("names and times", vendor, events(vendor, between="id: 7\nretry: 99999999\n")),
            answered("no end behind the last event", vendor, events(vendor).rstrip("\n")),
            answered("events called JSON", vendor, events(vendor), "application/json"),
            answered("events called text", vendor, events(vendor), "text/plain; charset=utf-8"),
            answered("events called nothing", vendor, events(vendor), ""),
            answered("JSON called events", vendor, json.dumps(WHOLE[vendor])),
            answered("JSON called bytes", vendor, json.dumps(WHOLE[vendor]), "application/octet-stream"),
            replace(answered("a page called events", vendor, "<html>login</html>"), error=NetworkPathFailed),
            replace(
                answered(
                    "an event nested without end",
                    vendor,
                    "event: message_start\ndata: " + "[" * 200_000 + "\n\n",
                ),
                error=MalformedAnswer,
            ),
        )
    ),
    answered("data over two lines", "openai", 'data: {"choices":\ndata: []}\n\n' + events("openai")),
    answered("other line ends in the text", "openai", events("openai").replace('"hi"', '"a\u2028b\x85c"')),
    answered("a list of chunks", "google", json.dumps(_CHUNKS["google"]), "application/json"),
    replace(
        answered("a list cut off", "google", '[{"candidates": [', "application/json"), error=MalformedAnswer
    ),
]


def _end(reason: str) -> dict[str, Any]:
    return {**_LAST, "choices": [{"index": 0, "delta": {}, "finish_reason": reason}]}


def _counted(number: int) -> dict[str, Any]:
    usage = {"prompt_tokens": 10, "completion_tokens": number, "total_tokens": 10 + number}
    return {**_PIECE, "usage": usage}


STREAMS = [
    stream("a count in every chunk, cut", "openai", _counted(1), _counted(2), error=ConnectionCut),
    stream("a count in every chunk", "openai", _counted(1), _counted(2), _LAST, _COUNTS),
    stream("a count, then more text, cut", "openai", _COUNTS, _PIECE, error=ConnectionCut),
    stream("no reason, but a count", "openai", _PIECE, _COUNTS),
    stream("no reason, and a count with the last piece", "openai", _PIECE, _counted(2)),
    stream("the reason of another vendor", "openai", _PIECE, _end("end_turn"), _COUNTS),
    stream("a reason in capitals", "openai", _PIECE, _end("STOP"), _COUNTS),
    stream(
        "the ceiling of another vendor", "openai", _PIECE, _end("max_tokens"), _COUNTS, stop=StopReason.LENGTH
    ),
    stream("a tool that nobody has", "openai", _PIECE, _end("tool_calls"), _COUNTS, error=AnswerMissing),
    stream("a message for a delta", "openai", {**_PIECE, "choices": [CHAT["choices"][0]]}, _COUNTS),
    stream(
        "two alternatives",
        "openai",
        {**_PIECE, "choices": [*_PIECE["choices"], {"index": 1}]},
        _LAST,
        _COUNTS,
    ),
    stream("choices in an object", "openai", {**_PIECE, "choices": {"delta": {}}}, error=MalformedAnswer),
    stream("a number for a text", "openai", {"choices": [{"delta": {"content": 5}}]}, error=MalformedAnswer),
    stream(
        "an error in the place of a chunk",
        "openai",
        {"object": "error", "message": "busy", "code": 429},
        error=RateLimited,
        wait=FIRST_PAUSE,
        says="busy",
    ),
    stream(
        "an error in the place of a later chunk",
        "openai",
        _PIECE,
        {"message": "boom", "code": 500},
        error=ConnectionCut,
        says="boom",
    ),
    stream(
        "a failed choice in the middle",
        "openai",
        _PIECE,
        {"choices": [{"delta": {}, "error": {"code": 502, "message": "x"}}]},
        error=ConnectionCut,
    ),
    stream(
        "events that are not objects",
        "openai",
        b'data: [1]\n\ndata: "x"\n\ndata: null\n\n',
        _PIECE,
        _LAST,
        _COUNTS,
    ),
    stream("an end before the beginning", "openai", b"data: [DONE]\n\n", error=ConnectionCut),
    stream("an event of tomorrow", "anthropic", {"type": "vendor_news"}, *_CHUNKS["anthropic"]),
    stream(
        "an index that is none",
        "anthropic",
        _CHUNKS["anthropic"][0],
        {"type": "content_block_delta", "index": None, "delta": {"text": "hi"}},
        error=MalformedAnswer,
    ),
    stream(
        "no message at the beginning",
        "anthropic",
        {"type": "message_start", "message": None},
        error=MalformedAnswer,
    ),
    stream(
        "no output in the last event",
        "responses",
        _DELTA,
        {"type": "response.completed", "response": {**RESPONSE, "output": []}},
    ),
    stream(
        "nothing in the last event", "responses", _DELTA, {"type": "response.completed"}, error=AnswerMissing
    ),
    stream(
        "only queued", "responses", {"type": "response.queued", "response": RESPONSE}, error=ConnectionCut
    ),
    stream("a candidate that is null", "google", {"candidates": [None]}, _PART, _STOP),
    stream(
        "a function that nobody has",
        "google",
        {**_STOP, "candidates": [{"content": {"parts": [{"functionCall": {}}]}, "finishReason": "STOP"}]},
        error=AnswerMissing,
    ),
    stream(
        "an error at once",
        "google",
        gemini_error(429, "q", "RESOURCE_EXHAUSTED", retry_info("7s")),
        error=RateLimited,
        wait=(7, 7),
    ),
]

_OK = b"HTTP/1.1 200 OK\r\n"
_JSON = b"content-type: application/json\r\n\r\n" + json.dumps(CHAT).encode()
_CHUNKED = _OK + b"content-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
_WHOLE = events("openai").encode() + b"data: [DONE]\n\n"
WIRE = [
    raw("closed at once", error=ConnectionCut),
    raw("no HTTP", b"NOPE\r\n\r\n", error=ConnectionCut),
    raw("only a body", json.dumps(CHAT).encode(), error=ConnectionCut),
    raw("a header with a NUL", _OK, b"x: a\x00b\r\n", _JSON, error=ConnectionCut),
    raw("a header without end", _OK, b"x: " + b"a" * 200_000, error=ConnectionCut),
    raw("another protocol", b"HTTP/1.1 101 Switching Protocols\r\n\r\n", error=ConnectionCut),
    raw("a hint before the answer", b"HTTP/1.1 103 Early Hints\r\n\r\n", _OK, _JSON),
    raw("a length that never comes", _OK, b"content-length: 9999\r\n", _JSON, error=ConnectionCut),
    raw("no end behind DONE", _CHUNKED, b"%x\r\n%s\r\n" % (len(_WHOLE), _WHOLE)),
    raw(
        "cut in a character",
        _CHUNKED,
        b"28\r\n",
        b'data: {"choices": [{"delta": {"content": "\xc3',
        error=ConnectionCut,
    ),
    raw(
        "a refusal cut off",
        b"HTTP/1.1 429 Too Many Requests\r\nretry-after: 9\r\ncontent-length: 500\r\n\r\n{",
        error=RateLimited,
        wait=(9, 9),
    ),
]

ODD_ROWS: tuple[WireRow, ...] = (
    *WAITS,
    *IN_FRONT,
    *WORDS,
    *USAGE,
    *LINES,
    *STREAMS,
    *WIRE,
    WireRow("google: an answer as a list of one", "google", body=[gemini()]),
)
