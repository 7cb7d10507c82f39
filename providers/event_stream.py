"""What comes with a success: is it a stream of events, and are its lines those that the SDKs read?

Servers and proxies name a content type that is not that of their body, begin with a byte order mark, leave
out the space behind ``data:``, and keep a connection open by comments and by events without data. Each is
allowed by the protocol or harmless, and for each there is an SDK that loses an answer over it.

Source: https://html.spec.whatwg.org/multipage/server-sent-events.html, "Parsing an event stream".
"""

from collections.abc import Iterator, Mapping
from typing import Final

import httpx2

_TYPE: Final = "text/event-stream"
_MARK: Final = b"\xef\xbb\xbf"
_FIELDS: Final = (b"data:", b"event:", b"id:", b"retry:", b":")
# JSON, or a page.
_WHOLE: Final = (b"{", b"[", b"<")


def is_event_stream(headers: Mapping[str, str]) -> bool:
    """Return whether a response is a stream of server-sent events."""
    return _TYPE in headers.get("content-type", "").lower()


def label_body(response: httpx2.Response, *, names_events: bool) -> None:
    """Correct the content type of ``response`` by how its body begins, and tidy the lines of a stream.

    It waits for the first bytes, within the limits of the client, and raises the errors of ``httpx2``.
    ``names_events``: the SDK reads the names of events, and not only their data.
    """
    stream = response.stream
    # A packed body is unpacked above this.
    if not isinstance(stream, httpx2.SyncByteStream) or response.headers.get("content-encoding"):
        return
    chunks = iter(stream)
    first = next(filter(None, chunks), b"").removeprefix(_MARK)
    start = first.lstrip()
    if start.startswith(_FIELDS):
        response.headers["content-type"] = _TYPE
    elif start.startswith(_WHOLE) and is_event_stream(response.headers):
        response.headers["content-type"] = "application/json"
    body = _prepend(first, chunks)
    if is_event_stream(response.headers):
        body = _tidy_lines(body, names_events=names_events)
    response.stream = _Rest(stream, body)


class _Rest(httpx2.SyncByteStream):
    """A body of which the beginning has been read."""

    def __init__(self, inner: httpx2.SyncByteStream, body: Iterator[bytes]) -> None:
        self._inner, self._body = inner, body

    def __iter__(self) -> Iterator[bytes]:
        return self._body

    def close(self) -> None:
        self._inner.close()


def _prepend(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    if first:
        yield first
    yield from rest


def _tidy_lines(body: Iterator[bytes], *, names_events: bool) -> Iterator[bytes]:
    """Yield whole lines as they come: data behind ``data: ``, names of events where they are read, and what
    ends an event.
    """
    for line in _split_lines(body):
        tidy = _tidy_line(line, names_events=names_events)
        if tidy:
            yield tidy
    # The end of a stream ends its last event, too.
    yield b"\n"


def _split_lines(body: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the lines of ``body`` with their ends: a line feed, a carriage return, or both."""
    # Joined once: a line that grew by each chunk would be copied as often as it has chunks.
    begun: list[bytes] = []
    for chunk in body:
        for part in chunk.splitlines(keepends=True):
            # A carriage return at the end of a chunk ended the line, unless its line feed comes now.
            if begun and begun[-1].endswith(b"\r") and part != b"\n":
                yield b"".join(begun)
                begun = []
            begun.append(part)
            if part.endswith(b"\n"):
                yield b"".join(begun)
                begun = []
    if begun:
        yield b"".join(begun)


def _tidy_line(line: bytes, *, names_events: bool) -> bytes:
    line = line.rstrip(b"\r\n")
    if not line:
        return b"\n"
    if line.startswith(b"data:"):
        data = line[5:].strip()
        return b"data: " + data + b"\n" if data else b""
    # A name without data is not an event.
    return line + b"\n" if names_events and line.startswith(b"event:") else b""
