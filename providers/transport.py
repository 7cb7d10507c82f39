"""The HTTP client under the SDKs: streamed answers, bounds on time and size, errors in our words."""

import contextlib
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import httpx2

from providers import abort, event_stream, failures, usage, wire
from providers.base import (
    ConnectionCut,
    MalformedAnswer,
    PartialAnswer,
    ProviderError,
    Request,
    TimedOut,
    Unreachable,
    UsageSource,
)
from providers.streaming import Assembly

CONNECT_SECONDS: Final = 10.0
MAX_ANSWER_BYTES: Final = 8_000_000
"""More than any model writes in one answer, with the frames of a stream around each token."""
# Far above the usual concurrency: the limiter, and not this pool, should make a call wait.
_LIMITS: Final = httpx2.Limits(max_connections=256, max_keepalive_connections=64, keepalive_expiry=30)


# By thread, as in ``providers.abort``: an SDK does not hand the response on.
_current = threading.local()


@dataclass(slots=True)
class Tap:
    """A response as it comes, for an SDK that hands on only what its types know."""

    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    # A body that grew by each chunk would be copied as often as it has chunks.
    chunks: list[bytes] = field(default_factory=list)

    @property
    def body(self) -> bytes:
        """What has come so far."""
        return b"".join(self.chunks)


@contextlib.contextmanager
def tap_body() -> Iterator[Tap]:
    """Keep the response of the exchange that this thread makes inside."""
    _current.tap = Tap()
    try:
        yield _current.tap
    finally:
        _current.tap = None


class _Body(httpx2.SyncByteStream):
    """A response body that stops when it is too long."""

    def __init__(self, inner: httpx2.SyncByteStream, request: httpx2.Request) -> None:
        self._inner, self._request = inner, request

    def __iter__(self) -> Iterator[bytes]:
        tap: Tap | None = getattr(_current, "tap", None)
        read = 0
        for chunk in self._inner:
            read += len(chunk)
            if read > MAX_ANSWER_BYTES:
                raise httpx2.DecodingError(
                    f"the answer is longer than {MAX_ANSWER_BYTES:,} bytes", request=self._request
                )
            if tap is not None:
                tap.chunks.append(chunk)
            yield chunk

    def close(self) -> None:
        self._inner.close()


class _Transport(abort.AbortableTransport):
    def __init__(self, *, names_events: bool) -> None:
        super().__init__(limits=_LIMITS)
        self._names_events = names_events

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        response = super().handle_request(request)
        tap: Tap | None = getattr(_current, "tap", None)
        if tap is not None:
            tap.status, tap.headers = response.status_code, response.headers
        if isinstance(response.stream, httpx2.SyncByteStream):
            response.stream = _Body(response.stream, request)
        if response.status_code >= 300:
            response = _read_refusal(response)
            if tap is not None:
                tap.chunks = [response.content]
        elif isinstance(response.stream, httpx2.SyncByteStream):
            event_stream.label_body(response, names_events=self._names_events)
            if not event_stream.is_event_stream(response.headers):
                # Whole, so that an SDK that stops at what it cannot parse does not lose the rest.
                response.read()
                if tap is not None:
                    tap.chunks = [response.content]
        return response


def _read_refusal(response: httpx2.Response) -> httpx2.Response:
    """Return a refusal that has been read: without a body that is cut, too long or cannot be unpacked.

    An SDK reads the body to raise its error, and its status would be lost: a 429 keeps everybody away.
    """
    try:
        response.read()
    except httpx2.HTTPError:
        response.close()
        headers = [
            (name, value) for name, value in response.headers.items() if not name.startswith("content-")
        ]
        return httpx2.Response(response.status_code, headers=headers, content=b"")
    return response


def build_client(timeout_seconds: float, *, names_events: bool = False) -> httpx2.Client:
    """Build a client for one adapter, safe to share between threads; it never retries.

    ``names_events``: its SDK reads the names of the events in a stream, and not only their data.
    """
    return httpx2.Client(
        # No redirect: it would carry the key to another address. No proxy from the environment: workers
        # reach vendors by the configured base URLs only.
        transport=_Transport(names_events=names_events),
        timeout=build_timeout(timeout_seconds),
        follow_redirects=False,
        trust_env=False,
        # A compressed stream is held back until a block is full, and a tap could not read it.
        headers={"accept-encoding": "identity"},
    )


def build_timeout(timeout_seconds: float) -> httpx2.Timeout:
    """Return the limits of an exchange in which the server is silent for at most ``timeout_seconds``."""
    return httpx2.Timeout(timeout_seconds, connect=min(CONNECT_SECONDS, timeout_seconds))


def post_json(
    provider: str,
    sdk: Any,
    client: Any,
    path: str,
    body: Mapping[str, Any],
    timeout_seconds: float,
) -> httpx2.Response:
    """Send one raw request by the method ``post``, which Anthropic's and OpenAI's SDKs share.

    Their typed methods would parse the answer a second time, and warn at every call of an ageing model.
    ``sdk`` is the module with the errors. Raises ``ProviderError``.
    """
    options = {"timeout": build_timeout(timeout_seconds)}
    with _our_errors(provider, sdk), abort.limit_time(timeout_seconds):
        answer: httpx2.Response = client.post(path, cast_to=httpx2.Response, body=body, options=options)
    return answer


def post_streamed(
    provider: str,
    sdk: Any,
    client: Any,
    path: str,
    body: Mapping[str, Any],
    request: Request,
    assembly: Assembly,
) -> tuple[dict[str, Any], httpx2.Headers]:
    """Send ``request`` as ``body`` and read the answer as it comes; return it whole, with its headers.

    Sent as ``post_json`` sends. A server that does not stream answers at once; that is read as it is. Raises
    ``ProviderError``, and everything that breaks the call off; ``partial`` of either is what had come.
    """
    pause = request.silence_seconds or request.timeout_seconds
    first_pause = pause + request.thinking_seconds
    options = {"timeout": build_timeout(first_pause)}
    try:
        with (
            _our_errors(provider, sdk),
            abort.limit_time(request.timeout_seconds),
            abort.limit_silence(first_pause),
        ):
            # As ``object``, events stay what they were: the SDK's types would be built for every token.
            stream = client.post(
                path, cast_to=object, body=body, options=options, stream=True, stream_cls=sdk.Stream[object]
            )
            response: httpx2.Response = stream.response
            if not event_stream.is_event_stream(response.headers):
                return wire.parse_json_object(provider, response.read()), response.headers
            note = request.note_text
            for event in stream:
                text = assembly.take(event)
                if text:
                    abort.shorten_silence(pause)
                    note(text)
            return assembly.finish(provider), response.headers
    except BaseException as error:
        broken = break_off(error, provider, assembly)
        if broken is not error:
            raise broken from error
        raise


def break_off(error: BaseException, provider: str, assembly: Assembly) -> BaseException:
    """Return what to raise for ``error``, with what had come of the answer: it is shown, and charged."""
    silent = assembly.silent_seconds
    if not assembly.started:
        # Nothing has come, but the model may have thought for as long as it was waited for.
        if not isinstance(error, ProviderError) or isinstance(error, TimedOut | ConnectionCut):
            error.partial = PartialAnswer(silent_seconds=silent)  # type: ignore[attr-defined]
        return error
    text, raw = assembly.text, assembly.build_raw()
    # An error that would cost nothing before the answer began: what was written by then is billed.
    if isinstance(error, ProviderError) and not error.spent and text:
        error = ConnectionCut(provider, f"broke off while it answered: {error.detail}")
    known, source = usage.read_reported(provider, raw)
    reported = known if source is UsageSource.REPORTED else None
    partial = PartialAnswer(text, reported, thoughts=assembly.thoughts, silent_seconds=silent)
    error.partial = partial  # type: ignore[attr-defined]  # also of an abort, which is not a ProviderError
    if isinstance(error, ProviderError) and error.raw is None:
        # Without its usage, which is that of the beginning: the call would be settled by it.
        error.raw = {key: value for key, value in raw.items() if key not in {"usage", "usageMetadata"}}
    return error


@contextlib.contextmanager
def _our_errors(provider: str, sdk: Any) -> Iterator[None]:
    """Raise the ``ProviderError`` for all that ``sdk`` and its transport raise inside."""
    try:
        yield
    except sdk.APIStatusError as error:
        raise _error_from_status(provider, error) from error
    except sdk.APIConnectionError as error:
        raise error_from_transport(provider, error.__cause__ or error) from error
    except httpx2.HTTPError as error:
        raise error_from_transport(provider, error) from error
    except sdk.APIError as error:
        raise _error_in_stream(provider, error.body, str(error)) from error
    # Python's parser gives up on JSON that is nested too deeply.
    except (ValueError, RecursionError) as error:
        raise MalformedAnswer(provider, str(error)) from error


def _error_from_status(provider: str, error: Any) -> ProviderError:
    # Anthropic's SDK raises this for an event in a stream, too, whose response was a success.
    if 200 <= error.response.status_code < 300:
        return _error_in_stream(provider, error.body, str(error))
    return error_from_response(provider, error.response)


def _error_in_stream(provider: str, body: Any, message: str) -> ProviderError:
    """Return the error for one that a vendor sends as a part of its answer."""
    inner = body if isinstance(body, Mapping) and "error" in body else {"error": body}
    return failures.error_inside(provider, inner) or MalformedAnswer(provider, message)


def error_from_tap(provider: str, tap: Tap, error: BaseException) -> ProviderError:
    """Return the error for a refusal, or for one inside a stream, that came through ``tap``."""
    if tap.status and not 200 <= tap.status < 300:
        return failures.error_from_answer(provider, tap.status, tap.headers, tap.body)
    return _error_in_stream(provider, getattr(error, "details", None), str(error))


def error_from_response(provider: str, response: httpx2.Response) -> ProviderError:
    """Return the error for a response with a status other than success; its body is read here."""
    try:
        body = response.read()
    except httpx2.HTTPError:
        # The status says enough: nothing was generated, and a refusal keeps everybody away.
        body = b""
    return failures.error_from_answer(provider, response.status_code, response.headers, body)


def error_from_transport(provider: str, error: BaseException) -> ProviderError:
    """Return the error for a failed exchange: nothing sent, no answer in time, or cut in the middle."""
    detail = f"{type(error).__name__}: {error}"
    if isinstance(
        error, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.PoolTimeout | httpx2.UnsupportedProtocol
    ):
        return Unreachable(provider, detail)
    # The order matters: a timeout while connecting is also a TimeoutException, but nothing was sent.
    if isinstance(error, httpx2.TimeoutException):
        return TimedOut(provider, detail)
    if isinstance(error, httpx2.DecodingError):
        return MalformedAnswer(provider, detail)
    return ConnectionCut(provider, detail)
