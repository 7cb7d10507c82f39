"""A collector on loopback that speaks OTLP over gRPC, by OpenTelemetry's own protocol files."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import (
    TraceServiceServicer,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import (
    add_TraceServiceServicer_to_server as add_service,
)


@dataclass(frozen=True)
class CollectedSpan:
    """A span as it came over the wire; ids are hexadecimal."""

    name: str
    kind: int
    trace_id: str
    span_id: str
    parent_id: str
    start: int
    end: int
    failed: bool
    attributes: dict[str, Any]
    resource: dict[str, Any]
    links: tuple[str, ...]


@dataclass
class Collector:
    """What has arrived so far."""

    endpoint: str = ""
    spans: list[CollectedSpan] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def of_trace(self, trace_id: str) -> list[CollectedSpan]:
        """The spans of one trace."""
        with self.lock:
            return [span for span in self.spans if span.trace_id == trace_id]

    def take(self, request: ExportTraceServiceRequest) -> None:
        """Keep what a process has sent."""
        for block in request.resource_spans:
            resource = read_attributes(block.resource.attributes)
            for scope in block.scope_spans:
                taken = [read_span(span, resource) for span in scope.spans]
                with self.lock:
                    self.spans.extend(taken)


def read_attributes(pairs: Any) -> dict[str, Any]:
    """Attributes as Python values."""
    found = {}
    for pair in pairs:
        kind = pair.value.WhichOneof("value")
        value = getattr(pair.value, kind)
        found[pair.key] = (
            [getattr(one, one.WhichOneof("value")) for one in value.values]
            if kind == "array_value"
            else value
        )
    return found


def read_span(span: Any, resource: dict[str, Any]) -> CollectedSpan:
    """One span of a message."""
    return CollectedSpan(
        span.name,
        span.kind,
        span.trace_id.hex(),
        span.span_id.hex(),
        span.parent_span_id.hex(),
        span.start_time_unix_nano,
        span.end_time_unix_nano,
        span.status.code == 2,
        read_attributes(span.attributes),
        resource,
        tuple(link.trace_id.hex() for link in span.links),
    )


class _Service(TraceServiceServicer):
    def __init__(self, collector: Collector) -> None:
        self._collector = collector

    def Export(  # noqa: N802 - the protocol's name
        self,
        request: ExportTraceServiceRequest,
        context: Any,  # noqa: ARG002 - the protocol's signature
    ) -> ExportTraceServiceResponse:
        """Take a batch."""
        self._collector.take(request)
        return ExportTraceServiceResponse()


@contextmanager
def run_collector() -> Iterator[Collector]:
    """A collector on a free port of loopback."""
    collector = Collector()
    server = grpc.server(ThreadPoolExecutor(4))
    add_service(_Service(collector), server)  # type: ignore[no-untyped-call]  # generated
    port = server.add_insecure_port("127.0.0.1:0")
    collector.endpoint = f"http://127.0.0.1:{port}"
    server.start()
    try:
        yield collector
    finally:
        server.stop(grace=None).wait()
