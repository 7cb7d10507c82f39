"""A TCP proxy on loopback that can stop answering without closing anything: the half-open connection of a
lost host.
"""

import asyncio
import socket
import struct
import threading
from collections.abc import Callable
from typing import Any


class Proxy:
    """Forwards to ``target`` in a thread of its own; ``stall`` keeps the bytes back, ``cut`` resets every
    connection.
    """

    def __init__(self, target: tuple[str, int]) -> None:
        self.target, self.port = target, 0
        self._loop = asyncio.new_event_loop()
        self._flowing = asyncio.Event()
        self._writers: set[asyncio.StreamWriter] = set()
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, name="proxy", daemon=True)

    def start(self) -> "Proxy":
        """Listen on a free port, which is in ``port`` afterwards."""
        self._thread.start()
        self._started.wait()
        return self

    def stall(self) -> None:
        """From now on nothing passes, in either direction; new connections are taken and get no answer."""
        self._call(self._flowing.clear)

    def flow(self) -> None:
        """Pass on again, and what was kept back first."""
        self._call(self._flowing.set)

    def cut(self) -> None:
        """Reset every connection."""
        self._call(self._cut)

    def stop(self) -> None:
        """Close everything and end the thread."""
        self._call(self._cut)
        self._call(self._loop.stop)
        self._thread.join()

    def _call(self, what: Callable[[], Any]) -> None:
        self._loop.call_soon_threadsafe(what)

    def _cut(self) -> None:
        for writer in list(self._writers):
            # With a reset, as a crashed peer's kernel does it, not with an orderly end.
            writer.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
            )
            writer.transport.abort()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=512))
        self.port = server.sockets[0].getsockname()[1]
        self._flowing.set()
        self._started.set()
        self._loop.run_forever()
        server.close()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._flowing.wait()
        try:
            far_reader, far_writer = await asyncio.open_connection(*self.target)
        except OSError:
            writer.transport.abort()
            return
        pair = {writer, far_writer}
        self._writers |= pair
        try:
            await asyncio.gather(self._pump(reader, far_writer), self._pump(far_reader, writer))
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            self._writers -= pair
            for end in pair:
                end.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            await self._flowing.wait()
            writer.write(data)
            await writer.drain()
        raise ConnectionResetError  # one direction has ended: so does the other
