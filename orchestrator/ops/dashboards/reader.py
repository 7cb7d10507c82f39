"""What the panels of a dashboard read: sums over facts, as frozen rows, each asked for once.

Money is in USD, time in seconds, scores in percent.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final, TypeVar

from django.db.models import Exists, OuterRef, Subquery
from django.utils import timezone

from orchestrator.ops.dashboards import onboardings
from orchestrator.ops.dashboards.onboardings import ReadySums
from orchestrator.ops.dashboards.period import Period, begin_day
from orchestrator.ops.dashboards.roi import RoiAssumptions
from orchestrator.ops.rollups import facts, reading
from orchestrator.ops.rollups.facts import Fact
from orchestrator.ops.rollups.reading import CountScope
from orchestrator.repos.models import Repo, RepoSetting

T = TypeVar("T")
# The order of the names is that of the fields of the dataclass: rows are put into it by position.
_FLOWS: Final = {
    **{name: f"coalesce(sum(flows) FILTER (WHERE outcome = '{name}'), 0)::bigint" for name in facts.OUTCOMES},
    "seconds": "coalesce(sum(seconds), 0)::float8",
    "usd": "coalesce(sum(usd), 0)::float8",
    "blocks": "coalesce(sum(blocks), 0)::bigint",
    "quality": "coalesce(sum(quality), 0)::float8",
}
_CALLS: Final = {
    "calls": "coalesce(sum(settled + released + unknown), 0)::bigint",
    "outages": "coalesce(sum(outages), 0)::bigint",
    # All kinds together; what each kind costs is in usd already.
    "tokens": ("coalesce(sum(input_tokens + cached_tokens + output_tokens + reasoning_tokens), 0)::bigint"),
    "usd": "coalesce(sum(usd), 0)::float8",
}
_GATES: Final = {
    name: f"coalesce(sum({name}), 0)::float8"
    for name in ("passed", "failed", "errored", "first_tries", "first_passed", "scored", "score")
}
_NUMBER: Final = {"flows": "coalesce(sum(flows), 0)::bigint"}


@dataclass(frozen=True, slots=True)
class FlowSums:
    """Flows that were created, and that ended; sums over those that passed. ``keys`` are what was asked."""

    keys: tuple[Any, ...]
    created: int
    passed: int
    failed: int
    cancelled: int
    seconds: float
    usd: float
    blocks: int
    quality: float


@dataclass(frozen=True, slots=True)
class CallSums:
    """Calls to providers, those that were not answered, tokens of all kinds, and USD."""

    keys: tuple[Any, ...]
    calls: int
    outages: int
    tokens: int
    usd: float


@dataclass(frozen=True, slots=True)
class GateSums:
    """Reports of gates by verdict, those of first rounds, and the sum of scores over ``scored`` reports."""

    keys: tuple[Any, ...]
    passed: float
    failed: float
    errored: float
    first_tries: float
    first_passed: float
    scored: float
    score: float


@dataclass(frozen=True, slots=True)
class Number:
    """How many flows have ``keys``."""

    keys: tuple[Any, ...]
    flows: int


class Reader:
    """The facts of a period and of the repos that a person may see; None for all repos.

    ``assumed`` is what the return on spend is computed with, by default the settings.
    """

    def __init__(
        self, period: Period, repos: tuple[str, ...] | None, assumed: RoiAssumptions | None = None
    ) -> None:
        self.period = period
        self.repos = repos
        self.assumed = assumed or RoiAssumptions.in_force()
        self._found: dict[tuple[Any, ...], Any] = {}

    def before(self) -> "Reader":
        """The same for the days before."""
        return Reader(self.period.before, self.repos, self.assumed)

    def flows(self, *keys: str) -> tuple[FlowSums, ...]:
        """Flows by ``keys``, which are columns of the fact; without keys one row."""
        return self._sum(facts.FLOWS, keys, _FLOWS, FlowSums)

    def count_ended(self) -> int:
        """Flows that ended until the end of the period, in any way."""
        sums = {"flows": "coalesce(sum(flows) FILTER (WHERE outcome <> 'created'), 0)::bigint"}
        # Without a first day: from the beginning on.
        scope = CountScope(last=self.period.last, repos=self.repos)
        read = lambda: int(reading.sum_facts(facts.FLOWS, (), sums, scope)[0].flows)  # noqa: E731
        return self._read_once(("ended",), read)

    def failures(self) -> tuple[Number, ...]:
        """Flows that failed, by the code of their error."""
        sums = {"flows": "coalesce(sum(flows) FILTER (WHERE outcome = 'failed'), 0)::bigint"}
        found = self._sum(facts.FLOWS, ("error_code",), sums, Number)
        return tuple(row for row in found if row.flows)

    def spread(self, *keys: str) -> tuple[Number, ...]:
        """Flows that passed, by ``keys`` and by measure and upper bound, the last two keys."""
        return self._sum(facts.SPREAD, (*keys, "measure", "bound"), _NUMBER, Number)

    def calls(self, *keys: str) -> tuple[CallSums, ...]:
        """Calls by ``keys``."""
        return self._sum(facts.CALLS, keys, _CALLS, CallSums)

    def gates(self, *keys: str) -> tuple[GateSums, ...]:
        """Reports of gates by ``keys``."""
        return self._sum(facts.GATES, keys, _GATES, GateSums)

    def starters(self, *keys: str) -> tuple[Number, ...]:
        """Flows by who started them, and by ``keys``."""
        return self._sum(facts.STARTERS, (*keys, "starter"), _NUMBER, Number)

    def count_repos(self) -> int:
        """Repos that were onboarded, and enabled, at the end of the period."""
        end = begin_day(self.period.last + timedelta(days=1))
        changes = RepoSetting.objects.filter(repo=OuterRef("pk"), key="enabled").order_by("-id")
        rows = Repo.objects.filter(onboarded_at__lt=end).annotate(
            # Not what was switched later; without a switch, what it began with.
            was=Subquery(changes.filter(created_at__lt=end).values("value")[:1]),
            is_switched_later=Exists(changes.filter(created_at__gte=end)),
        )
        # None is all repos and an empty tuple is none of them: a person without repos sees zero.
        if self.repos is not None:
            rows = rows.filter(name__in=self.repos)

        def count() -> int:
            states = rows.order_by().values_list("was", "is_switched_later", "enabled")
            return sum(later or now if was is None else was for was, later, now in states)

        return self._read_once(("repos",), count)

    def ready(self) -> tuple[ReadySums, ...]:
        """Repos that became ready in the period, by day."""
        first, last = self.period.first, self.period.last
        return self._read_once(("ready",), lambda: onboardings.sum_ready(first, last, self.repos))

    def under_way(self) -> dict[str, float | None]:
        """Requests for repos that are not at their end now, by where they stand."""
        return self._read_once(("under way",), lambda: onboardings.count_under_way(self.repos))

    def _sum(
        self, fact: Fact, keys: Sequence[str], sums: dict[str, str], shape: Callable[..., T]
    ) -> tuple[T, ...]:
        scope = CountScope(self.period.first, self.period.last, self.repos, self.period.since)

        def read() -> tuple[T, ...]:
            rows = reading.sum_facts(fact, keys, sums, scope)
            return tuple(shape(tuple(row[: len(keys)]), *row[len(keys) :]) for row in rows)

        return self._read_once((fact.table, *keys, *sums), read)

    def _read_once(self, key: tuple[Any, ...], read: Callable[[], T]) -> T:
        # A page asks for the same sums in several panels; each is one query.
        if key not in self._found:
            self._found[key] = read()
        found: T = self._found[key]
        return found


def read_today() -> date:
    """The day by the database's clock would cost a query; a day is coarse enough for ours."""
    return timezone.now().date()
