"""What bounded the time of a flow: the stages of which each could only begin when the one before had ended.

Stages that run side by side overlap; only the one that ended last held the next one up. (Kelley and Walker:
Critical-Path Planning and Scheduling, 1959.)
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import itemgetter

from django.utils import timezone

from orchestrator.flows.models import Flow, Stage
from orchestrator.queues import Queue

RAN = {Queue.GATES.value: "in the gates", Queue.CONTROL.value: "at work"}
"""What a stage does while it runs, by queue; on the others a model answers."""


@dataclass(frozen=True, slots=True)
class PathStep:
    """A stage of the critical path. Seconds: from the end of the step before, and of them those that it
    ran.
    """

    stage_id: int
    kind: str
    round: int
    queue: str
    seconds: float
    ran: float

    @property
    def waited(self) -> float:
        """Queued, parked, or between two attempts."""
        return max(0.0, self.seconds - self.ran)


@dataclass(frozen=True, slots=True)
class FlowTiming:
    """Where the time of a flow went. ``overlap`` is the seconds that its stages ran over those in which any
    ran: 1 is one after the other.
    """

    path: tuple[PathStep, ...]
    overlap: float

    @property
    def seconds(self) -> float:
        """How long the stages of the path ran: with these stages the flow could not have been faster."""
        return sum(step.ran for step in self.path)

    @property
    def bound_by(self) -> str:
        """The longest part of the path, in words; empty before anything ran."""
        if not self.path:
            return ""
        longest = max(self.path, key=lambda step: max(step.ran, step.waited))
        name = longest.kind if longest.round == 1 else f"{longest.kind} of round {longest.round}"
        if longest.waited > longest.ran:
            return f"{name}: {longest.waited:.1f} s before it ran"
        return f"{name}: {longest.ran:.1f} s {RAN.get(longest.queue, 'with its model')}"


def measure_flow(flow: Flow, stages: Sequence[Stage]) -> FlowTiming:
    """The critical path and the overlap of ``flow``; ``stages`` are in order and bring their attempts."""
    now = flow.finished_at or timezone.now()
    spans = {stage.pk: _list_spans(stage, now) for stage in stages}
    every = [span for own in spans.values() for span in own]
    covered = measure_union(every)
    total = sum((end - start).total_seconds() for start, end in every)
    return FlowTiming(
        tuple(_walk_back(flow, stages, spans)), round(total / covered, 3) if covered > 0 else 1.0
    )


def measure_union(spans: Iterable[tuple[datetime, datetime]]) -> float:
    """The seconds that are in at least one of ``spans``."""
    covered, reached = 0.0, None
    # In the order of their starts, so that only what is beyond the last end is new.
    for start, end in sorted(spans):
        begins = start if reached is None or start > reached else reached
        if end > begins:
            covered += (end - begins).total_seconds()
            reached = end
    return covered


def _list_spans(stage: Stage, now: datetime) -> list[tuple[datetime, datetime]]:
    # An attempt that runs counts up to now.
    return [(attempt.started_at, attempt.finished_at or now) for attempt in stage.attempts.all()]


def _walk_back(
    flow: Flow, stages: Sequence[Stage], spans: Mapping[int, Sequence[tuple[datetime, datetime]]]
) -> list[PathStep]:
    """From the stage that ended last to the one that could begin first."""
    ends = {pk: max(own, key=itemgetter(1))[1] for pk, own in spans.items() if own}
    ran = [stage for stage in stages if stage.pk in ends]
    steps: list[PathStep] = []
    current = max(ran, key=lambda stage: ends[stage.pk], default=None)
    # Each turn goes to an earlier position, so it ends.
    while current is not None:
        before = _find_last_before(current, ran, ends, spans)
        begins = ends[before.pk] if before is not None else flow.created_at
        seconds = max(0.0, (ends[current.pk] - begins).total_seconds())
        worked = sum((end - start).total_seconds() for start, end in spans[current.pk])
        steps.append(
            PathStep(
                current.pk,
                current.kind,
                current.round,
                current.queue,
                round(seconds, 3),
                # Two attempts may overlap where a lease ran out while its worker lived.
                round(min(worked, seconds), 3),
            )
        )
        current = before
    return steps[::-1]


def _find_last_before(
    stage: Stage,
    ran: Sequence[Stage],
    ends: Mapping[int, datetime],
    spans: Mapping[int, Sequence[tuple[datetime, datetime]]],
) -> Stage | None:
    """The stage whose end let this one begin. A round, or a stage from before needs were kept, begins after
    all that ended before it.
    """
    earlier = [
        each for each in ran if each.position < stage.position and ends[each.pk] <= spans[stage.pk][0][0]
    ]
    needed = [each for each in earlier if each.pk in (stage.needs or ())]
    asked = any(each.repair for each in needed)
    return max(earlier if asked or not needed else needed, key=lambda each: ends[each.pk], default=None)
