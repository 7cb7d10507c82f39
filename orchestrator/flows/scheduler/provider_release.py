"""Whose turn it is when a provider has room again: first in, first out within a repo, fair between repos.

Each repo has a virtual time, one step on for each stage released; the repo with the least goes next, and a
new one starts at the time of the others (start-time fair queueing, as in ``engine.dispatch_queue``). So a
repo with 500 flows and one with a single flow wait alike. Within a repo the oldest flow goes first, however
often it had to wait. A repo whose first stage does not fit waits with all its others; the other repos
continue, but it is asked first as soon as there is more room.

Flows that have already cost something finish first: within one priority, their stages go before the first
calls of new flows. Otherwise new flows would use up the room that flows under way need, and where a quota is
short it would carry fewer flows to their end.
"""

import heapq
from collections import deque
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from itertools import groupby
from typing import Any, Final

from django.conf import settings

from orchestrator.flows.engine import capacity, waits
from orchestrator.flows.engine.capacity import WaitingStage
from orchestrator.flows.scheduler.isolation import IsolatedSteps
from providers import quota_report
from providers.quota_report import Headroom

_REWORDED_AT_ONCE: Final = 20
_LOOK_AGAIN: Final = timedelta(seconds=5)


class FairOrder:
    """The virtual times of one provider's repos.

    It exists in the leader only; a new leader starts with all repos alike.
    """

    def __init__(self) -> None:
        self._now = 0.0
        self._last: dict[int, float] = {}

    def choose(self, waiting: Sequence[WaitingStage], room: Headroom) -> list[WaitingStage]:
        """Who goes now, in order. ``waiting`` is sorted by priority, by who has been paid for, by age."""
        chosen: list[WaitingStage] = []
        for _, equals in groupby(waiting, key=lambda one: (one.priority, one.has_cost)):
            lines: dict[int, deque[WaitingStage]] = {}
            for one in equals:
                lines.setdefault(one.repo_id, deque()).append(one)
            # Of repos with equal times, the one whose stage is older. A repo's time changes only when one of
            # its stages is chosen, because that of the provider never passes the first in line.
            order = [(self._start(repo), line[0].id, repo) for repo, line in lines.items()]
            heapq.heapify(order)
            while order and room.calls > 0:
                start, _, repo = heapq.heappop(order)
                first = lines[repo][0]
                # Its later stages must not overtake it: the whole repo waits.
                if not room.fits(first.tokens, first.nano_usd):
                    continue
                room = room.less(1, first.tokens, first.nano_usd)
                self._now = start
                self._last[repo] = self._now + 1.0
                chosen.append(lines[repo].popleft())
                if lines[repo]:
                    heapq.heappush(order, (self._start(repo), lines[repo][0].id, repo))
        return chosen

    def _start(self, repo: int) -> float:
        return max(self._now, self._last.get(repo, 0.0))


class ProviderRelease:
    """Release stages that wait for a provider, as many as it has room for.

    ``waited_for``: some waited at the last look.

    """

    def __init__(self, steps: IsolatedSteps | None = None) -> None:
        self._steps = steps or IsolatedSteps()
        self._turns: dict[str, FairOrder] = {}
        self._environment_read = False
        self.waited_for = False

    def release(self) -> int:
        """One look; how many went."""
        providers = self._steps.run("awaited providers", capacity.list_awaited_providers) or ()
        self.waited_for = bool(providers)
        released = (
            self._steps.run(f"room at {one.provider}", partial(self._release, one)) for one in providers
        )
        return sum(one or 0 for one in released)

    def _release(self, least: Any) -> int:
        provider: str = least.provider
        room = quota_report.read_headroom(provider)
        if room.calls > 0:
            given = capacity.sum_open_grants(provider)
            # Released stages that have not called yet are not in the limiter's counters.
            room = room.less(given.calls, given.tokens, given.nano_usd)
        # A line of ten thousands is read only where something in it may go.
        if not room.fits(least.tokens, least.nano_usd):
            return 0
        turns = self._turns.setdefault(provider, FairOrder())
        return capacity.grant_room(
            [one.id for one in turns.choose(capacity.list_waiting_stages(provider), room)]
        )

    def end_waits_for_fallback(self) -> int:
        """Ask again for flows that have got a fallback since they began to wait; how many."""
        if not self.waited_for:
            return 0
        # The environment is read at a start, so once is enough; the settings of repos change at any time.
        everyone, self._environment_read = bool(settings.FALLBACK_MODEL) and not self._environment_read, True
        return waits.end_waits_for_fallback(in_environment=everyone)

    def reword(self) -> None:
        """Bring the reasons up to date of stages that were expected to go by now."""
        now = quota_report.read_clock()
        for one in capacity.find_late_stages(now, _REWORDED_AT_ONCE):
            self._steps.run(f"the reason of stage {one.id}", partial(self._reword, one, now))

    def _reword(self, one: Any, now: datetime) -> None:
        hint = quota_report.admission_hint(one.provider, tokens=max(one.tokens, 1), nano_usd=one.nano_usd)
        reason = hint.reason or f"{one.provider}: waits for its turn"
        capacity.update_wait_reason(one.id, reason, max(hint.at or now, now + _LOOK_AGAIN))
