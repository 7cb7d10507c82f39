"""Traces: what happened to a flow, from the request over the workers to the vendor, as one tree of spans.

Without ``OTEL_EXPORTER_OTLP_ENDPOINT`` OpenTelemetry is not imported, and ``open_span`` hands out an
object that does nothing. With it, a process starts its exporter with its first span, so always after a fork,
and each process has its own identity.

Spans leave from a thread, in batches, out of a queue with a bound. Where the collector is away or never
answers, the queue drops spans; no request and no stage waits for it.

A span carries names, numbers and ids, never the text of a prompt, an answer or an error, nor the values of a
statement.
"""

import atexit
import os
import re
import threading
from collections.abc import Mapping
from datetime import datetime
from types import TracebackType
from typing import Final, Protocol, Self

from django.conf import settings

from orchestrator.core.registry import Registry

AttributeValue = str | int | float | bool | tuple[str, ...]
Attributes = Mapping[str, AttributeValue]
SERVER: Final = "server"
CONSUMER: Final = "consumer"
CLIENT: Final = "client"
INTERNAL: Final = "internal"
# W3C Trace Context, version 00: trace id, span id, flags.
_TRACE_PARENT: Final = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


class TraceSpan(Protocol):
    """A piece of work, open while its ``with`` block runs. An exception that leaves the block marks it."""

    def set(self, attributes: Attributes) -> None:
        """Add ``attributes``."""
        ...

    def rename(self, name: str) -> None:
        """Give it another name, where that is known only at the end."""
        ...

    def fail(self, error_type: str) -> None:
        """Mark the work as failed; ``error_type`` is a code or the name of a class, never a message."""
        ...

    def __enter__(self) -> Self:
        """Make it the parent of the spans that are opened inside."""
        ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it."""
        ...


class Tracer(Protocol):
    """Makes spans and sends them; the functions of this module say what each method does."""

    def open_span(self, name: str, kind: str, attributes: Attributes, parent: str) -> TraceSpan:
        """A span below ``parent`` or below the current one; one that does nothing where there is neither."""
        ...

    def open_root_span(self, name: str, kind: str, attributes: Attributes, link: str) -> TraceSpan:
        """A span that may begin a trace, as the sampling says."""
        ...

    def record_span(
        self, name: str, span_id: str, parent: str, times: tuple[datetime, datetime], attributes: Attributes
    ) -> None:
        """A span that began and ended elsewhere."""
        ...

    def read_trace_parent(self) -> str:
        """The current span as W3C's ``traceparent``; empty where nothing is recorded."""
        ...

    def stop(self) -> None:
        """Send what is left, for at most a second."""
        ...


class NoSpan:
    """A span that is not recorded."""

    def set(self, attributes: Attributes) -> None:
        """Nothing."""

    def rename(self, name: str) -> None:
        """Nothing."""

    def fail(self, error_type: str) -> None:
        """Nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None


NO_SPAN: Final = NoSpan()
# One line each, imported only where traces are sent.
TRACERS: Registry[type[Tracer]] = Registry("tracer", {"otlp": "orchestrator.core.tracing.otlp:OtlpTracer"})
_lock = threading.Lock()
_tracer: Tracer | None = None


def is_on() -> bool:
    """Whether this deployment sends traces."""
    return bool(settings.OTEL_EXPORTER_OTLP_ENDPOINT)


def load_tracer() -> None:
    """Import what spans need, so that the first one does not wait for it.

    Starts nothing, so a fork may follow.
    """
    if is_on():
        TRACERS.get("otlp")


def open_span(
    name: str, attributes: Attributes | None = None, *, kind: str = INTERNAL, parent: str = ""
) -> TraceSpan:
    """A span below ``parent`` (a ``traceparent``), or below the current one.

    Without either nothing is recorded: work of nobody, such as a tick of the dispatcher, makes no trace.
    """
    if not settings.OTEL_EXPORTER_OTLP_ENDPOINT:
        return NO_SPAN
    return _require_tracer().open_span(name, kind, attributes or {}, parent)


def open_root_span(
    name: str, attributes: Attributes | None = None, *, kind: str = INTERNAL, link: str = ""
) -> TraceSpan:
    """A span below the current one; without one it begins a trace, as ``OTEL_TRACES_SAMPLER_ARG`` allows.

    ``link`` is the ``traceparent`` of a caller outside. It is linked and not taken as the parent: whether we
    record is not for others to decide.
    """
    if not settings.OTEL_EXPORTER_OTLP_ENDPOINT:
        return NO_SPAN
    trusted_link = link if is_trace_parent(link) else ""
    return _require_tracer().open_root_span(name, kind, attributes or {}, trusted_link)


def record_span(
    name: str, *, span_id: str, parent: str, times: tuple[datetime, datetime], attributes: Attributes
) -> None:
    """Send a span that began and ended elsewhere; ``span_id`` has 16 hexadecimal digits."""
    if settings.OTEL_EXPORTER_OTLP_ENDPOINT and is_trace_parent(parent):
        _require_tracer().record_span(name, span_id, parent, times, attributes)


def read_trace_parent() -> str:
    """The current span as ``traceparent``, to be continued elsewhere; empty where nothing is recorded."""
    return _tracer.read_trace_parent() if _tracer is not None else ""


def is_trace_parent(text: str) -> bool:
    """Whether ``text`` is a ``traceparent`` of W3C's version 00."""
    return _TRACE_PARENT.fullmatch(text) is not None


def read_trace_id(trace_parent: str) -> str:
    """The trace id in a ``traceparent``, 32 hexadecimal digits; empty where it is none."""
    return trace_parent[3:35] if is_trace_parent(trace_parent) else ""


def stop_tracer() -> None:
    """Send what is left, for at most a second, and end the exporter."""
    global _tracer
    with _lock:
        ending, _tracer = _tracer, None
    if ending is not None:
        ending.stop()


def _require_tracer() -> Tracer:
    global _tracer  # noqa: PLW0603 - one tracer to a process
    if _tracer is None:
        with _lock:
            # Two threads may come with the first spans: one exporter serves both.
            if _tracer is None:
                _tracer = TRACERS.get("otlp")()
    return _tracer


def _forget_tracer() -> None:
    """A forked child has the parent's exporter without its thread, and needs an identity of its own."""
    global _tracer, _lock
    _tracer, _lock = None, threading.Lock()


os.register_at_fork(after_in_child=_forget_tracer)
atexit.register(stop_tracer)
