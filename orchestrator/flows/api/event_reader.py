"""One look at the database for all who follow a flow in this process.

Polled and not notified: LISTEN would hold a connection, and breaks behind a pooler.

Order of reading matters: the status is read before the events, so that an end seen is an end whose events are
all visible, and no follower leaves before the last one.
"""

import asyncio
import json
import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple
from weakref import WeakKeyDictionary

from asgiref.sync import sync_to_async
from django.db import DatabaseError, InterfaceError

from orchestrator.core import database
from orchestrator.flows.api.serializers.events import FlowEventSerializer
from orchestrator.flows.models import Flow, FlowEvent
from orchestrator.flows.models.states import FLOW_ENDED

POLL_SECONDS = 0.25
# Bounds the memory of a follower that begins at the first event of a long flow.
BATCH = 500
log = logging.getLogger(__name__)


class Frame(NamedTuple):
    """One event as it is sent, and its id."""

    event_id: int
    text: str


@dataclass(frozen=True, slots=True)
class News:
    """What one look found about a flow. ``status`` is ``None`` for a flow that is gone."""

    status: str | None = None
    frames: tuple[Frame, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether there are no further events behind these."""
        return len(self.frames) < BATCH


@dataclass(eq=False, slots=True)
class Watch:
    """One follower of a flow, who has seen its events up to ``after``."""

    flow_id: str
    after: int
    over: bool = False
    """Nothing will follow."""
    _frames: list[str] = field(default_factory=list)
    _ready: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def waits(self) -> bool:
        """Whether it has sent what it was given; a slow reader gets no more until then."""
        return not self._ready.is_set()

    async def take_frames(self) -> list[str]:
        """What to send next, as soon as there is something."""
        await self._ready.wait()
        frames, self._frames = self._frames, []
        self._ready.clear()
        return frames

    def give(self, news: News) -> None:
        """Take what is new to this follower."""
        fresh = [frame for frame in news.frames if frame.event_id > self.after]
        if fresh:
            self.after = fresh[-1].event_id
            self._frames += [frame.text for frame in fresh]
        if news.status is None:
            self.end()
        elif news.status in FLOW_ENDED and news.complete:
            self._frames.append(f"event: end\ndata: {json.dumps({'status': news.status})}\n\n")
            self.end()
        elif fresh:
            self._ready.set()

    def end(self) -> None:
        """Nothing follows but what is there already."""
        self.over = True
        self._ready.set()


class EventReader:
    """Reads for every watch of one event loop, as long as there is one."""

    def __init__(self) -> None:
        self._watches: set[Watch] = set()
        self._task: asyncio.Task[None] | None = None
        self._joined = asyncio.Event()

    def add(self, watch: Watch) -> None:
        """Read for ``watch`` from now on."""
        self._watches.add(watch)
        self._joined.set()
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._read())

    def remove(self, watch: Watch) -> None:
        """Read no more for ``watch``."""
        self._watches.discard(watch)

    async def _read(self) -> None:
        try:
            while self._watches:
                self._joined.clear()
                await self._look()
                try:
                    # Somebody new is not left waiting for the next look.
                    async with asyncio.timeout(POLL_SECONDS):
                        await self._joined.wait()
                except TimeoutError:
                    continue
        finally:
            self._task = None
            # However this ended: a follower that nobody reads for comes back by itself when its stream ends.
            for watch in self._watches:
                watch.end()

    async def _look(self) -> None:
        waiting = [watch for watch in self._watches if watch.waits]
        if not waiting:
            return
        positions: dict[str, int] = {}
        for watch in waiting:
            positions[watch.flow_id] = min(watch.after, positions.get(watch.flow_id, watch.after))
        try:
            # In one thread for the whole process: the looks of a loop never overlap.
            found = await sync_to_async(read_news)(positions)
        except (DatabaseError, InterfaceError) as error:
            log.warning("no events: %s", type(error).__name__)
            return
        for watch in waiting:
            watch.give(found.get(watch.flow_id, News()))


_readers: "WeakKeyDictionary[asyncio.AbstractEventLoop, EventReader]" = WeakKeyDictionary()


@contextmanager
def watch_flow(flow_id: str, after: int) -> Iterator[Watch]:
    """Watch a flow from within a coroutine."""
    reader = _readers.setdefault(asyncio.get_running_loop(), EventReader())
    watch = Watch(flow_id, after)
    reader.add(watch)
    try:
        yield watch
    finally:
        reader.remove(watch)


def read_news(positions: dict[str, int]) -> dict[str, News]:
    """What each flow has after its position, up to ``BATCH`` events; a flow that is gone is left out."""
    try:
        # The status first, see above.
        statuses = dict(Flow.objects.filter(pk__in=positions).values_list("pk", "status"))
        frames: dict[str, list[Frame]] = {flow_id: [] for flow_id in statuses}
        for event in _read_events(positions):
            if event.flow_id in frames:
                frames[event.flow_id].append(Frame(event.pk, _format_frame(event)))
    finally:
        database.release_connection()
    return {flow_id: News(status, tuple(frames[flow_id])) for flow_id, status in statuses.items()}


def _read_events(positions: dict[str, int]) -> Iterable[FlowEvent]:
    """The events after each flow's position, in order."""
    ids = database.fetch_rows(
        "SELECT event.id FROM unnest(%(flows)s::text[], %(after)s::bigint[]) AS seen (flow_id, after) "
        "CROSS JOIN LATERAL (SELECT id FROM flows_flowevent WHERE flow_id = seen.flow_id "
        "AND id > seen.after ORDER BY id LIMIT %(batch)s) AS event",
        {"flows": list(positions), "after": list(positions.values()), "batch": BATCH},
    )
    # Most looks find nothing, and then this is all.
    if not ids:
        return ()
    return FlowEvent.objects.filter(pk__in=[row.id for row in ids]).select_related("stage").order_by("pk")


def _format_frame(event: FlowEvent) -> str:
    # json.dumps escapes line breaks, which in a frame would end the data.
    body = json.dumps(FlowEventSerializer(event).data, separators=(",", ":"))
    return f"id: {event.pk}\nevent: {event.kind}\ndata: {body}\n\n"
