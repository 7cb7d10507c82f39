"""The HTTP client under the SDKs: one deadline for a whole call, and the transport's errors in our words.

An SDK's own timeout is per read, so a server that drips one byte a second would hold a worker for ever.
"""

import time
from collections.abc import Iterator, Mapping
from typing import Any, Final

import httpx2

from providers import abort, failures
from providers.base import ConnectionCut, MalformedAnswer, ProviderError, TimedOut, Unreachable

CONNECT_SECONDS: Final = 10.0
MAX_ANSWER_BYTES: Final = 8_000_000
"""More than any model writes in one answer, with the frames of a stream around each token."""
# Far above the usual concurrency: the limiter, and not this pool, should make a call wait.
_LIMITS: Final = httpx2.Limits(max_connections=256, max_keepalive_connections=64, keepalive_expiry=30)


class _Body(httpx2.SyncByteStream):
    """A response body that stops when the call's time is over."""

    def __init__(self, inner: httpx2.SyncByteStream, deadline: float, request: httpx2.Request) -> None:
        self._inner, self._deadline, self._request = inner, deadline, request

    def __iter__(self) -> Iterator[bytes]:
        read = 0
        for chunk in self._inner:
            read += len(chunk)
            if read > MAX_ANSWER_BYTES:
                raise httpx2.DecodingError(
                    f"the answer is longer than {MAX_ANSWER_BYTES:,} bytes", request=self._request
                )
            # Checked at each chunk: a server that drips bytes never runs into the timeout of one read.
            if time.monotonic() > self._deadline:
                raise httpx2.ReadTimeout("the answer took longer than the call may", request=self._request)
            yield chunk

    def close(self) -> None:
        self._inner.close()


class _Deadline(httpx2.HTTPTransport):
    def __init__(self) -> None:
        super().__init__(limits=_LIMITS, retries=0)
        self._pool._network_backend = abort.Backend()  # the client has no public door for it

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        # The SDK's read timeout is the only place where the time of this call reaches the transport.
        allowed = (request.extensions.get("timeout") or {}).get("read") or 600.0
        deadline = time.monotonic() + float(allowed)
        response = super().handle_request(request)
        if isinstance(response.stream, httpx2.SyncByteStream):
            response.stream = _Body(response.stream, deadline, request)
        return response


def build_client(timeout_seconds: float) -> httpx2.Client:
    """Build a client for one adapter, safe to share between threads; it never retries."""
    return httpx2.Client(
        # No redirect: it would carry the key to another address. No proxy from the environment: workers
        # reach vendors by the configured base URLs only.
        transport=_Deadline(),
        timeout=build_timeout(timeout_seconds),
        follow_redirects=False,
        trust_env=False,
    )


def build_timeout(timeout_seconds: float) -> httpx2.Timeout:
    """Return the time limits of one call of ``timeout_seconds``."""
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
    try:
        answer: httpx2.Response = client.post(
            path,
            cast_to=httpx2.Response,
            body=body,
            options={"timeout": build_timeout(timeout_seconds)},
        )
    except sdk.APIStatusError as error:
        raise error_from_response(provider, error.response) from error
    except sdk.APIConnectionError as error:
        raise error_from_transport(provider, error.__cause__ or error) from error
    except httpx2.HTTPError as error:
        raise error_from_transport(provider, error) from error
    except (sdk.APIError, ValueError) as error:
        raise MalformedAnswer(provider, str(error)) from error
    return answer


def error_from_response(provider: str, response: httpx2.Response) -> ProviderError:
    """Return the error for a response with a status other than success; its body is read here."""
    try:
        body = response.read()
    except httpx2.HTTPError as error:
        return error_from_transport(provider, error)
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
