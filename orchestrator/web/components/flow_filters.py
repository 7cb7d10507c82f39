"""Filters of the list of flows that the dashboards link with: what is behind a number."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta

from django.db.models import Exists, OuterRef, QuerySet
from django.utils.dateparse import parse_date

from orchestrator.flows.models import Flow, GateResult
from orchestrator.flows.models.states import FLOW_ENDED, FlowStatus
from orchestrator.web.components.dashboard import NO_FAMILY
from providers.models import ProviderCall

NAMES = ("family", "model", "gate", "error", "from", "to")


def read_filters(query: Mapping[str, str]) -> dict[str, str]:
    """The filters of a request; a day that is none is left out."""
    asked = {name: query.get(name, "").strip()[:100].replace("\0", "") for name in NAMES}
    for name in ("from", "to"):
        if _parse_day(asked[name]) is None:
            asked[name] = ""
    return asked


def describe_filters(asked: Mapping[str, str]) -> list[tuple[str, str]]:
    """The filters in force, as the page shows them: a word and a value."""
    words = {"family": "block family", "gate": "gate not passed", "error": "reason"}
    found = [(words.get(name, name), asked[name]) for name in NAMES if asked[name]]
    return [(word, "none" if value == NO_FAMILY else value) for word, value in found]


def narrow_flows(rows: QuerySet[Flow], asked: Mapping[str, str]) -> QuerySet[Flow]:
    """Those of ``rows`` that fit the filters."""
    if asked["family"]:
        rows = rows.filter(block_family="" if asked["family"] == NO_FAMILY else asked["family"])
    if asked["error"]:
        rows = rows.filter(error_code=asked["error"])
    if asked["gate"]:
        reports = GateResult.objects.filter(flow=OuterRef("pk"), gate=asked["gate"])
        rows = rows.filter(Exists(reports.exclude(verdict="passed")))
    if asked["model"]:
        # The ledger has plain ids of flows.
        rows = rows.filter(Exists(ProviderCall.objects.filter(flow_id=OuterRef("pk"), model=asked["model"])))
    return _narrow_days(rows, asked)


def _narrow_days(rows: QuerySet[Flow], asked: Mapping[str, str]) -> QuerySet[Flow]:
    first, last = _parse_day(asked["from"]), _parse_day(asked["to"])
    if first is None and last is None:
        return rows
    # A chart counts an end on the day of the end, and anything else on the day of the beginning.
    field = "finished_at" if asked["status"] in FLOW_ENDED else "created_at"
    if field == "created_at" and not asked["status"]:
        # Every status, so that the index by status and time serves.
        rows = rows.filter(status__in=FlowStatus.values)
    if first is not None:
        rows = rows.filter(**{f"{field}__gte": _begin(first)})
    if last is not None:
        rows = rows.filter(**{f"{field}__lt": _begin(last + timedelta(days=1))})
    return rows


def _begin(day: date) -> datetime:
    return datetime.combine(day, datetime.min.time(), UTC)


def _parse_day(text: str) -> date | None:
    try:
        day = parse_date(text)
    except ValueError:
        return None
    # The day after the last one of the calendar is an error.
    return day if day is not None and day.year < 9999 else None
