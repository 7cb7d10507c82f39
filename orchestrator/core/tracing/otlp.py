"""Spans by OpenTelemetry's SDK, sent in OTLP over gRPC. The one door to it, imported only when used."""

import os
import socket
import threading
import uuid
from collections.abc import Callable
from datetime import datetime
from types import TracebackType
from typing import Final, Self

from django.conf import settings
from opentelemetry import context, trace
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, NonRecordingSpan, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from orchestrator.core import tracing
from orchestrator.core.tracing import NO_SPAN, Attributes, NoSpan

SERVICE: Final = "flowengine"
SCOPE: Final = "orchestrator"
QUEUED_SPANS: Final = 4096
_BATCH: Final = 512
_DELAY_MILLISECONDS: Final = 1000
_EXPORT_SECONDS: Final = 5
_LAST_SECONDS: Final = 1.0
_KINDS: Final = {
    tracing.SERVER: SpanKind.SERVER,
    tracing.CONSUMER: SpanKind.CONSUMER,
    tracing.CLIENT: SpanKind.CLIENT,
    tracing.INTERNAL: SpanKind.INTERNAL,
}


class _OpenSpan:
    """A span that is recorded."""

    __slots__ = ("_outer", "_span")

    def __init__(self, span: trace.Span) -> None:
        self._span = span

    def set(self, attributes: Attributes) -> None:
        """Add ``attributes``."""
        self._span.set_attributes(dict(attributes))

    def rename(self, name: str) -> None:
        """Give it another name."""
        self._span.update_name(name)

    def fail(self, error_type: str) -> None:
        """Mark it as failed."""
        self._span.set_attribute("error.type", error_type)
        self._span.set_status(Status(StatusCode.ERROR))

    def __enter__(self) -> Self:
        self._outer = context.attach(trace.set_span_in_context(self._span))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        context.detach(self._outer)
        if kind is not None:
            # The class only: a message may quote anything.
            self.fail(str(getattr(error, "code", "") or kind.__name__))
        self._span.end()


class OtlpTracer:
    """Sends the spans of one process."""

    def __init__(self) -> None:
        exporter = OTLPSpanExporter(endpoint=settings.OTEL_EXPORTER_OTLP_ENDPOINT, timeout=_EXPORT_SECONDS)
        self._processor = BatchSpanProcessor(
            exporter,
            max_queue_size=QUEUED_SPANS,
            max_export_batch_size=_BATCH,
            schedule_delay_millis=_DELAY_MILLISECONDS,
        )
        provider = TracerProvider(
            sampler=ParentBased(TraceIdRatioBased(float(settings.OTEL_TRACES_SAMPLER_ARG))),
            resource=Resource.create(_describe_process()),
            # It would wait for the collector as long as the process waits for nothing else.
            shutdown_on_exit=False,
        )
        provider.add_span_processor(self._processor)
        self._provider, self._tracer = provider, provider.get_tracer(SCOPE)

    def open_span(self, name: str, kind: str, attributes: Attributes, parent: str) -> _OpenSpan | NoSpan:
        """See ``tracing.open_span``."""
        if parent:
            above = trace.set_span_in_context(NonRecordingSpan(_parse_trace_parent(parent)))
        elif trace.get_current_span().is_recording():
            above = context.get_current()
        else:
            return NO_SPAN
        return self._start(name, kind, attributes, above, [])

    def open_root_span(self, name: str, kind: str, attributes: Attributes, link: str) -> _OpenSpan | NoSpan:
        """See ``tracing.open_root_span``."""
        links = [Link(_parse_trace_parent(link))] if link else []
        return self._start(name, kind, attributes, context.get_current(), links)

    def record_span(
        self, name: str, span_id: str, parent: str, times: tuple[datetime, datetime], attributes: Attributes
    ) -> None:
        """See ``tracing.record_span``."""
        above = _parse_trace_parent(parent)
        own = SpanContext(above.trace_id, int(span_id, 16), is_remote=False, trace_flags=above.trace_flags)
        failed = "error.type" in attributes
        began, ended = (int(moment.timestamp() * 1e9) for moment in times)
        span = ReadableSpan(
            name,
            context=own,
            parent=above,
            resource=self._provider.resource,
            attributes=dict(attributes),
            status=Status(StatusCode.ERROR if failed else StatusCode.UNSET),
            start_time=began,
            end_time=ended,
            instrumentation_scope=InstrumentationScope(SCOPE),
        )
        self._processor.on_end(span)

    def read_trace_parent(self) -> str:
        """See ``tracing.read_trace_parent``."""
        span = trace.get_current_span()
        if not span.is_recording():
            return ""
        found = span.get_span_context()
        return f"00-{found.trace_id:032x}-{found.span_id:016x}-01"

    def stop(self) -> None:
        """Send what is left; a collector that is away costs a second."""
        _wait_at_most(_LAST_SECONDS, self._processor.shutdown)

    def _start(
        self, name: str, kind: str, attributes: Attributes, above: context.Context, links: list[Link]
    ) -> _OpenSpan | NoSpan:
        span = self._tracer.start_span(
            name, context=above, kind=_KINDS[kind], attributes=dict(attributes), links=links
        )
        # What was not sampled has no children either.
        return _OpenSpan(span) if span.is_recording() else NO_SPAN


def _wait_at_most(seconds: float, work: Callable[[], None]) -> None:
    """Run ``work`` in a thread that ends with the process, and leave it alone after ``seconds``."""
    thread = threading.Thread(target=work, name="last spans", daemon=True)
    thread.start()
    thread.join(seconds)


def _describe_process() -> dict[str, str | int]:
    """Who sends: two processes never share an identity, else the collector would mix them."""
    return {
        "service.name": SERVICE,
        "service.instance.id": str(uuid.uuid4()),
        "host.name": socket.gethostname(),
        "process.pid": os.getpid(),
        "orchestrator.process": settings.PROCESS or "command",
    }


def _parse_trace_parent(text: str) -> SpanContext:
    _, trace_id, span_id, flags = text.split("-")
    return SpanContext(
        int(trace_id, 16), int(span_id, 16), is_remote=True, trace_flags=TraceFlags(int(flags, 16))
    )
