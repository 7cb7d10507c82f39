"""``?wait=60``: the answer comes when the flow has ended, or when the time is over, whichever is first.

For those who cannot stream. It is a stream all the same: an asynchronous iterator that sends white space
while it waits, which JSON may begin with, and then the flow. So it costs no thread, and no proxy takes the
connection for dead.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Final

from asgiref.sync import sync_to_async
from django.http import StreamingHttpResponse

from orchestrator.core import database
from orchestrator.flows.api import event_reader
from orchestrator.flows.api.follower_seats import Seat
from orchestrator.rest.filters import refuse_filter

NAME: Final = "wait"
MOST_SECONDS: Final = 60
KEEP_ALIVE_SECONDS: Final = 10.0
# No event comes after it: only the flow's end is waited for.
_LAST_EVENT: Final = 10**18 - 1


def read_seconds(text: str | None) -> int:
    """How long the client wants to wait; 0 where it does not say."""
    if text is None:
        return 0
    if not text.isascii() or not text.isdigit() or int(text[:9]) > MOST_SECONDS:
        refuse_filter(
            f"wait={text[:40]!r} is not a number of seconds.",
            cure=f"Send 0 to {MOST_SECONDS}, then ask again.",
        )
    return int(text[:9])


class WaitingAnswer:
    """White space until the flow has ended or ``seconds`` are over, then what ``render`` gives.

    ``close`` gives ``seat`` back.
    """

    def __init__(self, flow_id: str, seconds: int, render: Callable[[], bytes], seat: Seat) -> None:
        self._flow_id, self._seconds, self._render, self._seat = flow_id, seconds, render, seat

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._wait()

    def close(self) -> None:
        """Let somebody else follow."""
        self._seat.leave()

    async def _wait(self) -> AsyncIterator[bytes]:
        loop = asyncio.get_running_loop()
        end = loop.time() + self._seconds
        with event_reader.watch_flow(self._flow_id, _LAST_EVENT) as watch:
            while not watch.over and loop.time() < end:
                try:
                    async with asyncio.timeout(min(end - loop.time(), KEEP_ALIVE_SECONDS)):
                        await watch.take_frames()
                except TimeoutError:
                    yield b" "
        yield await sync_to_async(self._read)()

    def _read(self) -> bytes:
        try:
            return self._render()
        finally:
            database.release_connection()


def answer_at_end(
    flow_id: str, seconds: int, render: Callable[[], bytes], seat: Seat
) -> StreamingHttpResponse:
    """The answer that waits for the flow."""
    answer = StreamingHttpResponse(
        WaitingAnswer(flow_id, seconds, render, seat), content_type="application/json"
    )
    answer["Cache-Control"] = "no-store"
    # nginx would hold back what it takes for the beginning of a small answer.
    answer["X-Accel-Buffering"] = "no"
    return answer
