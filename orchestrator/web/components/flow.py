"""Everything that the page of one flow shows, read once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db.models import Prefetch, QuerySet
from django.utils import timezone
from django.utils.safestring import SafeString

from blocks.format.moments import describe_moment
from orchestrator.flows.api.serializers.flows import FlowSerializer
from orchestrator.flows.models import Artifact, Attempt, Flow, FlowEvent, GateResult, Stage
from orchestrator.flows.models.states import FLOW_ENDED, StageStatus
from orchestrator.flows.representation import read_reason
from orchestrator.flows.timing import critical_path
from orchestrator.ops.dashboards.numbers import format_duration
from orchestrator.web.components import bars, code, notes, prose, rounds, timeline
from providers.models import ProviderCall

EVENTS = 200
"""How many events the page lists; all of them come over the API."""
KINDS = (
    *(
        f"flow.{word}"
        for word in ("created", "paused", "resumed", "retried", "priority", "passed", "failed", "cancelled")
    ),
    *(f"stage.{word}" for word in ("ready", "started", "progress", "waiting", "passed", "failed", "skipped")),
)
"""The kinds of events that the page listens to."""
_MODULE, _TESTS, _CONTRACT = rounds.FILES
_SOURCES = {_MODULE: "Module", _TESTS: "Tests", _CONTRACT: "Contract"}
# The reports that are drawn into the files, line by line. Other evidence is only offered for download.
_READ = ("coverage.json", "mutation.json")


@dataclass(frozen=True, slots=True)
class GateCard:
    """A gate's verdict with its bar and its files."""

    row: GateResult
    bar: bars.Bar | None
    unplaced: Sequence[Mapping[str, Any]]
    placed: int
    evidence: Sequence[Artifact]


@dataclass(frozen=True, slots=True)
class Source:
    """One generated file with what was found in it."""

    kind: str
    title: str
    path: str
    pieces: Sequence[code.Piece]
    notes: int
    missed: int
    open: bool


@dataclass(frozen=True, slots=True)
class Round:
    """One round as it was judged."""

    number: int
    cards: Sequence[GateCard]
    sources: Sequence[Source]


def build_flow_page(flow: Flow, asked: int | None = None) -> dict[str, Any]:
    """The context of the page; ``asked`` is the round to show, the newest by default."""
    # The page is read again after each event, so the number of queries must not grow with the flow.
    attempts: Prefetch[str, QuerySet[Attempt], str] = Prefetch("attempts", Attempt.objects.order_by("number"))
    stages = list(flow.stages.order_by("position").prefetch_related(attempts))
    artifacts = list(Artifact.objects.filter(flow=flow).select_related("stage").order_by("id"))
    # More than the page lists, because the waits in the timeline are built from events, too.
    events = list(FlowEvent.objects.filter(flow=flow).select_related("stage").order_by("-id")[: 5 * EVENTS])
    calls = list(ProviderCall.objects.filter(flow_id=flow.pk).order_by("created_at"))
    texts, judged = _read_sources(artifacts), _number_rounds(stages)
    results = list(GateResult.objects.filter(flow=flow).order_by("id"))
    # A round is worth showing as soon as its files are written, before a gate has judged it.
    judged_rounds = {judged[row.stage_id] for row in results}
    written_rounds = {artifact.stage.round for artifact in artifacts if artifact.kind == _MODULE}
    numbers = sorted(judged_rounds | written_rounds)
    number = numbers[-1] if numbers else None
    # An unknown round comes from an old link. The newest one is a better answer than an error.
    if asked in numbers:
        number = asked
    full, chart = FlowSerializer(flow).data, timeline.build_chart(flow, stages, reversed(events))
    return {
        "flow": full,
        "trace_url": flow.trace_url,
        "waits_until": _describe_wait(stages),
        # Not strict: the serializer reads the stages again, and a repair may have added some in between.
        "lines": list(zip(full["stages"], chart.rows, strict=False)),
        "ended": flow.status in FLOW_ENDED,
        "took": format_duration(full["duration_seconds"]),
        "chart": chart,
        "critical": {step.stage_id for step in critical_path.measure_flow(flow, stages).path},
        "kinds": " ".join(KINDS),
        # The page follows the events after this one, so nothing is lost between this read and its request.
        "last_event": events[0].pk if events else 0,
        "costs": _sum_costs(calls),
        "time": bars.time_bar(
            full["time"], sum(row.waited for row in chart.rows), _seconds_in_gates(stages, chart)
        ),
        "rounds": numbers,
        "round": None if number is None else _build_round(number, judged, results, artifacts, texts),
        "repairs": rounds.list_repairs([stage for stage in stages if stage.kind == "implement"], texts),
        "readme": _render_readme(artifacts),
        "calls": calls,
        "events": [(event, describe_event(event)) for event in events[:EVENTS]],
        "more_events": len(events) > EVENTS,
    }


def _describe_wait(stages: Sequence[Stage]) -> str:
    """By when something that waits is tried again; empty where nobody can say."""
    waiting = [
        stage.not_before for stage in stages if stage.status == StageStatus.WAITING and stage.not_before
    ]
    return describe_moment(min(waiting), timezone.now()) if waiting else ""


def _seconds_in_gates(stages: Sequence[Stage], chart: timeline.Chart) -> float:
    # The API learns the seconds of gates when their stage ends; until then only the running bar knows them.
    rows = [row for stage, row in zip(stages, chart.rows, strict=True) if stage.kind == "verify"]
    return sum(bar.seconds for row in rows for bar in row.bars if bar.kind == "running")


def describe_event(event: FlowEvent) -> str:
    """An event's own words: its message, why it waits, what it took."""
    data = event.data
    words = str(data.get("message") or data.get("reason") or "")
    if not words and isinstance(data.get("seconds"), int | float):
        words = format_duration(float(data["seconds"]))
    return read_reason(words)


def _read_sources(artifacts: Sequence[Artifact]) -> dict[int, dict[str, tuple[str, str]]]:
    """Stage to kind to path and text of what the implementer wrote."""
    wanted = [artifact for artifact in artifacts if artifact.kind in _SOURCES]
    contents = _read_contents(wanted)
    found: dict[int, dict[str, tuple[str, str]]] = {}
    for artifact in wanted:
        text = contents[artifact.pk].decode(errors="replace")
        found.setdefault(artifact.stage_id, {})[artifact.kind] = (artifact.name, text)
    return found


def _read_contents(artifacts: Sequence[Artifact]) -> dict[int, bytes]:
    # Read apart from the rows and only for files that are shown: the contents of a flow may be megabytes.
    rows = Artifact.objects.filter(pk__in=[artifact.pk for artifact in artifacts]).values_list(
        "pk", "blob__content"
    )
    return {key: bytes(content) for key, content in rows}


def _sum_costs(calls: Sequence[ProviderCall]) -> dict[str, Any]:
    stages: dict[str, Decimal] = {}
    providers: dict[str, Decimal] = {}
    for call in calls:
        stages[call.stage_kind] = stages.get(call.stage_kind, Decimal(0)) + call.cost_usd
        providers[call.provider] = providers.get(call.provider, Decimal(0)) + call.cost_usd
    return {"by_stage": bars.split_into_shares(stages), "by_provider": bars.split_into_shares(providers)}


def _number_rounds(stages: Sequence[Stage]) -> dict[int, int]:
    """Map each stage to the round of the implementation that it saw.

    A review keeps the number that it began with, even after a repair.
    """
    found, newest = {}, 1
    for stage in stages:
        newest = stage.round if stage.kind == "implement" else newest
        found[stage.pk] = newest
    return found


def _build_round(
    number: int,
    judged: Mapping[int, int],
    results: Sequence[GateResult],
    artifacts: Sequence[Artifact],
    texts: Mapping[int, Mapping[str, tuple[str, str]]],
) -> Round:
    rows = [row for row in results if judged[row.stage_id] == number]
    evidence = [a for a in artifacts if judged[a.stage_id] == number and a.kind.startswith("evidence:")]
    # Until the implementer of this round has written, the files are those of the round before.
    written = [a.stage_id for a in artifacts if a.kind == _MODULE and a.stage.round <= number]
    files = texts[written[-1]] if written else {}
    paths = {path for path, _ in files.values()}
    return Round(
        number,
        [_build_gate_card(row, evidence, paths) for row in rows],
        _build_sources(files, rows, evidence),
    )


def _build_gate_card(row: GateResult, evidence: Sequence[Artifact], paths: set[str]) -> GateCard:
    files = [a for a in evidence if a.stage_id == row.stage_id and a.kind.startswith(f"evidence:{row.gate}:")]
    loose = notes.list_unplaced(row, paths)
    return GateCard(
        row, bars.score_bar(row.score, row.threshold), loose, len(row.findings) - len(loose), files
    )


def _build_sources(
    files: Mapping[str, tuple[str, str]], rows: Sequence[GateResult], evidence: Sequence[Artifact]
) -> list[Source]:
    read = [a for a in evidence if a.name in _READ]
    contents = _read_contents(read)
    by_name = {a.name: contents[a.pk] for a in read}
    return [_build_source(kind, *files[kind], rows, by_name) for kind in _SOURCES if kind in files]


def _build_source(
    kind: str, path: str, text: str, rows: Sequence[GateResult], evidence: Mapping[str, bytes]
) -> Source:
    covered = notes.note_coverage(evidence.get("coverage.json"), path)
    survivors = list(notes.note_mutants(evidence.get("mutation.json"), path, text))
    found = [
        # Mutants in the evidence show the code before and after; the gate's findings only say it in words.
        *notes.note_findings(rows, path, without=["mutation"] if survivors else []),
        *notes.note_branches(covered),
        *survivors,
    ]
    lines = code.annotate_lines(path, text, found, covered)
    shown_notes = sum(len(line.notes) for line in lines)
    unfold = kind == _MODULE or any(note.severity == "error" for note in found)
    return Source(
        kind, _SOURCES[kind], path, code.split_into_pieces(lines), shown_notes, len(covered.miss), unfold
    )


def _render_readme(artifacts: Sequence[Artifact]) -> SafeString | None:
    found = [artifact for artifact in artifacts if artifact.kind == "readme"][-1:]
    return (
        prose.render_markdown(_read_contents(found)[found[0].pk].decode(errors="replace")) if found else None
    )
