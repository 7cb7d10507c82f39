"""Filters of the list of flows that the dashboards link with: what is behind a number."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from django.db.models import Exists, OuterRef, QuerySet

from orchestrator.flows.models import Flow, FlowEvent, GateResult
from orchestrator.flows.models.states import FLOW_ENDED, FlowStatus
from orchestrator.ops.dashboards.links import NO_FAMILY
from orchestrator.web import query
from providers.models import ProviderCall

NAMES: Final = ("ended", "family", "model", "gate", "error", "from", "to")
ENDS: Final = ("any", "passed", "failed", "cancelled")
"""How a flow may have ended within the days; one that was retried since has ended all the same."""
_WORDS: Final = {"family": "block family", "gate": "gate not passed", "error": "reason"}
# The same words as in the partial index on these events.
_ENDS_AND_BEGINNINGS: Final = ("flow.created", "flow.passed", "flow.failed", "flow.cancelled")


def read_filters(asked: Mapping[str, str]) -> dict[str, str]:
    """The filters of a request. Raises ``BadQuery`` for a day or an end that does not exist."""
    found = {name: asked.get(name, "").strip()[:100].replace("\0", "") for name in NAMES}
    found["ended"] = query.read_choice(asked, "ended", ENDS)
    for name in ("from", "to"):
        day = query.read_day(asked, name)
        found[name] = "" if day is None else day.isoformat()
    return found


def describe_filters(asked: Mapping[str, str]) -> list[tuple[str, str]]:
    """The filters in force, as the page shows them: a word and a value."""
    found = [(_WORDS.get(name, name), asked[name]) for name in NAMES if asked[name]]
    shown = {("ended", "any"): "in any way", ("block family", NO_FAMILY): "none"}
    return [(word, shown.get((word, value), value)) for word, value in found]


def narrow_flows(rows: QuerySet[Flow], asked: Mapping[str, str]) -> QuerySet[Flow]:
    """Those of ``rows`` that fit the filters."""
    if asked["family"]:
        rows = rows.filter(block_family="" if asked["family"] == NO_FAMILY else asked["family"])
    if asked["gate"]:
        reports = GateResult.objects.filter(flow=OuterRef("pk"), gate=asked["gate"])
        rows = rows.filter(Exists(reports.exclude(verdict="passed")))
    if asked["model"]:
        # The ledger has plain ids of flows.
        rows = rows.filter(Exists(ProviderCall.objects.filter(flow_id=OuterRef("pk"), model=asked["model"])))
    if asked["ended"]:
        return rows.filter(pk__in=_find_ends(asked).values("flow"))
    if asked["error"]:
        rows = rows.filter(error_code=asked["error"])
    return _narrow_days(rows, asked)


def _find_ends(asked: Mapping[str, str]) -> QuerySet[FlowEvent]:
    """The ends that a chart has counted: a retry takes a flow back, but not what was counted."""
    kinds = ENDS[1:] if asked["ended"] == "any" else (asked["ended"],)
    events = FlowEvent.objects.order_by().filter(kind__in=_ENDS_AND_BEGINNINGS)
    events = events.filter(kind__in=[f"flow.{kind}" for kind in kinds], **_bound_days("created_at", asked))
    return events.filter(data__code=asked["error"]) if asked["error"] else events


def _narrow_days(rows: QuerySet[Flow], asked: Mapping[str, str]) -> QuerySet[Flow]:
    if not asked["from"] and not asked["to"]:
        return rows
    # A chart counts an end on the day of the end, and anything else on the day of the beginning.
    field = "finished_at" if asked["status"] in FLOW_ENDED else "created_at"
    if field == "created_at" and not asked["status"]:
        # Every status, so that the index by status and time serves.
        rows = rows.filter(status__in=FlowStatus.values)
    return rows.filter(**_bound_days(field, asked))


def _bound_days(field: str, asked: Mapping[str, str]) -> dict[str, Any]:
    """Conditions on a time: not before the first day, and before the day after the last."""
    bounds = {}
    if asked["from"]:
        bounds[f"{field}__gte"] = _begin(date.fromisoformat(asked["from"]))
    if asked["to"]:
        bounds[f"{field}__lt"] = _begin(date.fromisoformat(asked["to"]) + timedelta(days=1))
    return bounds


def _begin(day: date) -> datetime:
    return datetime.combine(day, datetime.min.time(), UTC)
