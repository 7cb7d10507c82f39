"""Where a flow's time went, as bars: queued, running, parked; one row a stage, one bar an attempt.

Places are percent of the flow's time, for attributes of SVG elements: no script, no inline style, any width.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

from orchestrator.flows.models import Attempt, Flow, FlowEvent, Stage
from orchestrator.flows.models.states import STAGE_ENDED, AttemptOutcome
from orchestrator.ops.dashboards.numbers import format_duration

# Distances between ticks that read as round times, from a tenth of a second to a day.
_STEPS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400)
_TICKS = 5
_NARROWEST = 0.7  # a bar that is there is seen
_NOTED_SECONDS = 0.5
_WAITS = {"stage.ready": "queued", "stage.waiting": "parked"}


@dataclass(frozen=True, slots=True)
class TimelineBar:
    """One span of a row. ``kind`` is ``queued``, ``parked``, or the outcome of the attempt that ran."""

    kind: str
    start: datetime
    end: datetime
    words: str
    x: float = 0.0
    width: float = 0.0

    @property
    def seconds(self) -> float:
        """How long it took."""
        return max(0.0, (self.end - self.start).total_seconds())


@dataclass(frozen=True, slots=True)
class Row:
    """A stage and its bars."""

    name: str
    status: str
    bars: tuple[TimelineBar, ...]

    @property
    def seconds(self) -> float:
        """Running time over all attempts."""
        return sum(bar.seconds for bar in self.bars if bar.kind not in _WAITS.values())

    @property
    def waited(self) -> float:
        """Queued and parked time."""
        return sum(bar.seconds for bar in self.bars if bar.kind in _WAITS.values())

    @property
    def ran(self) -> str:
        """Running time in words; empty for a stage that never ran."""
        return (
            format_duration(self.seconds) if any(bar.kind not in _WAITS.values() for bar in self.bars) else ""
        )

    @property
    def long_wait(self) -> str:
        """Waiting time in words, where it is worth a word."""
        return format_duration(self.waited) if self.waited >= _NOTED_SECONDS else ""

    @property
    def words(self) -> str:
        """The row in a sentence, for those who do not see the bars."""
        parts = [
            self.status,
            f"ran {self.ran}" if self.ran else "",
            f"waited {self.long_wait}" if self.long_wait else "",
        ]
        return f"{self.name}: {', '.join(part for part in parts if part)}"


@dataclass(frozen=True, slots=True)
class Chart:
    """The whole drawing. ``kinds`` are those of its bars, for the key."""

    rows: tuple[Row, ...]
    ticks: tuple[tuple[float, str], ...]
    kinds: tuple[str, ...]


def build_chart(flow: Flow, stages: Sequence[Stage], events: Iterable[FlowEvent]) -> Chart:
    """The timeline of ``flow``.

    ``stages`` bring their attempts; ``events`` are those of all stages, in order.
    """
    # An ended flow is drawn as of its end, so its page stays the same.
    now = flow.finished_at or timezone.now()
    waits = _find_waits(events)
    rows = [
        Row(_name_stage(stage), stage.status, tuple(_build_bars(stage, waits.get(stage.pk, ()), now)))
        for stage in stages
    ]
    # A flow that was created just now has no length to divide by.
    total = max(0.1, (now - flow.created_at).total_seconds())
    placed = tuple(
        Row(row.name, row.status, tuple(_place_bar(bar, flow.created_at, total) for bar in row.bars))
        for row in rows
    )
    # A dict and not a set: the key lists the kinds in the order of the bars.
    kinds = dict.fromkeys(bar.kind for row in placed for bar in row.bars)
    return Chart(placed, tuple(_choose_ticks(total)), tuple(kinds))


def _name_stage(stage: Stage) -> str:
    return stage.kind if stage.round == 1 else f"{stage.kind}, round {stage.round}"


def _find_waits(events: Iterable[FlowEvent]) -> Mapping[int, list[tuple[str, datetime, str]]]:
    """Stage to the moments from which it waited: what for, since when, and why."""
    found: dict[int, list[tuple[str, datetime, str]]] = {}
    for event in events:
        if event.stage_id is not None and event.kind in _WAITS:
            found.setdefault(event.stage_id, []).append(
                (_WAITS[event.kind], event.created_at, str(event.data.get("reason") or ""))
            )
    return found


def _build_bars(
    stage: Stage, waits: Iterable[tuple[str, datetime, str]], now: datetime
) -> Iterator[TimelineBar]:
    """Attempts, and before each of them the waits that led to it."""
    attempts = list(stage.attempts.all())
    spans: list[tuple[datetime, str, Attempt | str]] = [(since, kind, why) for kind, since, why in waits]
    spans += [(attempt.started_at, attempt.outcome, attempt) for attempt in attempts]
    # By time only: the last part of a span is an attempt or a text, and those do not compare.
    spans.sort(key=lambda span: span[0])
    # A stage that ended while it waited, as by a cancel, has no end of that wait on record: no bar then.
    rest = None if stage.status in STAGE_ENDED else now
    for number, (start, kind, what) in enumerate(spans):
        following = spans[number + 1][0] if number + 1 < len(spans) else rest
        if isinstance(what, Attempt):
            end = what.finished_at or now
            yield TimelineBar(kind, start, end, _attempt_words(what, (end - start).total_seconds()))
        elif following is not None:
            yield TimelineBar(
                kind,
                start,
                following,
                f"{kind} {format_duration((following - start).total_seconds())}"
                + (f": {what}" if what else ""),
            )


def _attempt_words(attempt: Attempt, seconds: float) -> str:
    verb = "running for" if attempt.outcome == AttemptOutcome.RUNNING else f"{attempt.outcome} after"
    model = f" by {attempt.model}" if attempt.model else ""
    error = f": {attempt.error_message}" if attempt.error_message else ""
    return f"attempt {attempt.number}{model} {verb} {format_duration(seconds)}{error}"


def _place_bar(bar: TimelineBar, zero: datetime, total: float) -> TimelineBar:
    # A clock that is behind the database's would put the bar to the left of the axis.
    left = 100 * max(0.0, (bar.start - zero).total_seconds()) / total
    width = max(_NARROWEST, 100 * bar.seconds / total)
    return TimelineBar(
        bar.kind, bar.start, bar.end, bar.words, round(min(left, 100 - _NARROWEST), 2), round(width, 2)
    )


def _choose_ticks(total: float) -> Iterator[tuple[float, str]]:
    step = next((step for step in _STEPS if total / step <= _TICKS), _STEPS[-1])
    for number in range(int(total / step) + 1):
        if (place := 100 * number * step / total) <= 94:  # beyond, its words would be cut
            yield round(place, 2), _build_axis(number * step, step)


def _build_axis(seconds: float, step: float) -> str:
    if step < 1:
        return f"{seconds:.1f} s"
    if step < 60:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if step < 3600 else f"{seconds / 3600:.0f} h"
