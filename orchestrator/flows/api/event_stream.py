"""A flow's events as server-sent events: from any event on, until the flow has ended.

Order of reading matters: the status is read before the events, so that an end seen is an end whose events are
all visible, and no follower leaves before the last one.
"""

import json
import time
from collections.abc import Iterator
from typing import Any

from django.db import connection
from rest_framework.renderers import BaseRenderer

from orchestrator.flows.api.serializers import FlowEventSerializer
from orchestrator.flows.models import Flow, FlowEvent
from orchestrator.flows.models.states import FLOW_ENDED
from orchestrator.rest.problems import Problem

# Polled and not notified: LISTEN would hold a connection for each follower.
POLL_SECONDS = 0.25
# Below the idle timeouts of proxies, of which 60 seconds is the common one.
KEEP_ALIVE_SECONDS = 15.0
# Bounds the memory of a follower that begins at the first event of a long flow.
_BATCH = 500


class EventStreamRenderer(BaseRenderer):
    """Lets a client ask for ``text/event-stream``; the stream itself is written by ``stream_events``."""

    media_type = "text/event-stream"
    format = "sse"
    charset = None

    def render(
        self,
        data: Any,
        accepted_media_type: Any = None,  # noqa: ARG002
        renderer_context: Any = None,  # noqa: ARG002
    ) -> bytes:
        """Errors before the stream begins are problems; this renders nothing else."""
        return json.dumps(data).encode()


def read_last_event_id(header: str | None, query: str | None) -> int:
    """The id of the last event that the follower has seen; ``Last-Event-ID`` wins, as it is the newer."""
    text = header or query or "0"
    # 18 digits fit into PostgreSQL's bigint; with 19 a number may not, and the query would fail.
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise Problem(
            400,
            "request:invalid-event-id",
            f"{text[:40]!r} is not the id of an event.",
            cure="Send the id last received.",
        )
    return int(text)


def _format_frame(event: FlowEvent) -> str:
    # json.dumps escapes line breaks, which in a frame would end the data.
    body = json.dumps(FlowEventSerializer(event).data, separators=(",", ":"))
    return f"id: {event.pk}\nevent: {event.kind}\ndata: {body}\n\n"


def stream_events(flow_id: str, after: int) -> Iterator[str]:
    """Yield the frames of the events after ``after``, until the flow has ended.

    Comments keep the connection alive; a frame ``end`` is the last one.
    """
    # Tells the browser to come back after a second; its own default is several.
    yield "retry: 1000\n\n"
    spoke = time.monotonic()
    while True:
        # The status first, see above: an end that is seen here has all its events visible below.
        status = Flow.objects.values_list("status", flat=True).get(pk=flow_id)
        rows = list(
            FlowEvent.objects.filter(flow_id=flow_id, pk__gt=after)
            .select_related("stage")
            .order_by("pk")[:_BATCH]
        )
        for row in rows:
            after = row.pk
            yield _format_frame(row)
        # There may be more than one batch: look again at once, and do not end before all of them are sent.
        if rows:
            spoke = time.monotonic()
            continue
        if status in FLOW_ENDED:
            yield f"event: end\ndata: {json.dumps({'status': status})}\n\n"
            return
        # Back to the pool between looks: a hundred followers must not hold a hundred connections.
        if not connection.in_atomic_block:
            connection.close()
        if time.monotonic() - spoke >= KEEP_ALIVE_SECONDS:
            yield ": still here\n\n"
            spoke = time.monotonic()
        time.sleep(POLL_SECONDS)
