"""Who gets a thread next: callers take turns, so that one with many requests waits for itself.

Everything here happens in the loop, between two of its steps, and so without a lock.
"""

import asyncio
from collections import deque

from orchestrator.core.shares import Shares


class FairQueue:
    """Places for those who work, and a queue for each caller who waits for one."""

    def __init__(self, places: int) -> None:
        self._free = places
        # A few places are left for the next caller, who then waits for nobody.
        self._most_of_one = places - places // 4
        self._working, self._waiting_at = Shares(), Shares()
        self._queues: dict[str, deque[asyncio.Future[None]]] = {}
        self._waiting = 0

    async def take(self, caller: str, place: str, most_waiting: int) -> bool:
        """Have a place, perhaps after a wait; False where too many wait, in all or at ``place``."""
        if self._may_work(caller):
            self._begin(caller)
            return True
        if self._waiting >= most_waiting or self._waiting_at[place] >= max(most_waiting // 2, 1):
            return False
        turn = asyncio.get_running_loop().create_future()
        self._queues.setdefault(caller, deque()).append(turn)
        self._waiting += 1
        self._waiting_at.add(place)
        try:
            await turn
        except asyncio.CancelledError:
            # The turn may have come in the same moment.
            if not turn.cancelled():
                self.give_back(caller)
            raise
        finally:
            self._waiting -= 1
            self._waiting_at.add(place, -1)
        return True

    def give_back(self, caller: str) -> None:
        """Leave the place to the caller whose turn it is."""
        self._free += 1
        self._working.add(caller, -1)
        for name in list(self._queues):
            if not self._free:
                return
            if self._may_work(name):
                self._call_next(name)

    def _call_next(self, caller: str) -> None:
        queue = self._queues.pop(caller)
        while queue:
            turn = queue.popleft()
            if not turn.done():
                self._begin(caller)
                turn.set_result(None)
                break
        if queue:
            # Behind the others, who have waited since.
            self._queues[caller] = queue

    def _may_work(self, caller: str) -> bool:
        return self._free > 0 and self._working[caller] < self._most_of_one

    def _begin(self, caller: str) -> None:
        self._free -= 1
        self._working.add(caller)
