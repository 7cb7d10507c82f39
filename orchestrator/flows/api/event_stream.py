"""A flow's events as server-sent events: from any event on, until the flow has ended.

A stream is an asynchronous iterator, which costs no thread while it waits. One reader in the process looks
for the events of all flows that are followed (``event_reader``), so a thousand followers cost the database no
more than one.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

from django.http import StreamingHttpResponse
from rest_framework.renderers import BaseRenderer

from orchestrator.flows.api import event_reader
from orchestrator.flows.api.follower_seats import Seat
from orchestrator.rest.problems import Problem

# Below the idle timeouts of proxies, of which 60 seconds is the common one.
KEEP_ALIVE_SECONDS = 15.0


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


class EventStream:
    """The frames of the events of a flow after ``after``, until the flow has ended.

    Comments keep the connection alive; a frame ``end`` is the last one. ``close`` gives ``seat`` back.
    """

    def __init__(self, flow_id: str, after: int, seat: Seat) -> None:
        self._flow_id, self._after, self._seat = flow_id, after, seat

    def __aiter__(self) -> AsyncIterator[str]:
        return self._follow()

    def close(self) -> None:
        """Let somebody else follow."""
        self._seat.leave()

    async def _follow(self) -> AsyncIterator[str]:
        # Tells the browser to come back after a second; its own default is several.
        yield "retry: 1000\n\n"
        with event_reader.watch_flow(self._flow_id, self._after) as watch:
            while True:
                try:
                    # Not wait_for: where frames come in the moment in which the follower leaves, that of
                    # Python 3.11 returns them and forgets the cancellation.
                    async with asyncio.timeout(KEEP_ALIVE_SECONDS):
                        frames = await watch.take_frames()
                except TimeoutError:
                    yield ": still here\n\n"
                    continue
                for frame in frames:
                    yield frame
                # While these were sent, the last ones may have come.
                if watch.over and watch.waits:
                    return


def answer_with_events(flow_id: str, after: int, seat: Seat) -> StreamingHttpResponse:
    """The answer that streams the events of a flow to the follower who has ``seat``."""
    stream = EventStream(flow_id, after, seat)
    answer = StreamingHttpResponse(stream, content_type="text/event-stream")
    answer["Cache-Control"] = "no-store"
    # nginx would collect the frames into blocks of 4 KB before it passes them on.
    answer["X-Accel-Buffering"] = "no"
    return answer
