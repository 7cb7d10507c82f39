"""The first page of the admin: is it healthy, what needs me, what does it cost; the week in the theme's own
cards and charts, and the way to the dashboards.
"""

import json
from typing import Any

from django.conf import settings
from django.db import OperationalError
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from orchestrator.core import database, replicas
from orchestrator.ops.attention.need import list_needs
from orchestrator.ops.dashboards.description import DASHBOARDS, RELIABILITY, find_dashboard
from orchestrator.ops.dashboards.numbers import format_number
from orchestrator.ops.dashboards.panels import DaysPanel, FigurePanel, Unit
from orchestrator.ops.dashboards.period import DEFAULT_RANGE, choose_period
from orchestrator.ops.dashboards.reader import Reader, read_today
from orchestrator.ops.incidents.models import Incident, IncidentStatus
from orchestrator.ops.status import parts
from orchestrator.web import rights
from orchestrator.web.components.status_words import choose_headline
from orchestrator.web.pages.dashboards import STATEMENT_SECONDS

_FIGURES = (
    ("cost", "spend-a-day"),
    ("reliability", "success"),
    ("reliability", "p95"),
    ("quality", "quality"),
)
_CHARTS = (("reliability", "ends-by-day"), ("cost", "spend-by-day"))
# The theme's colours by name: ends of flows have those of its labels.
_NAMED_COLOURS = {"passed": "--color-green-600", "failed": "--color-red-600", "cancelled": "--color-base-400"}
_COLOURS = ("--color-primary-600", "--color-primary-300", "--color-base-400", "--color-primary-900")


def add_week(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Receives the theme's callback: what the page shows to a person who may see flows, beside the tables."""
    if not rights.sees_all_flows(request.user):
        return context
    context["flower"] = settings.FLOWER_URL
    context["dashboards"] = [
        {"title": one.title, "question": one.question, "href": reverse("dashboard", args=[one.name])}
        for one in DASHBOARDS
    ]
    reader = Reader(choose_period(read_today(), DEFAULT_RANGE), None)
    try:
        with database.limit_statements(STATEMENT_SECONDS):
            context["needs"] = list_needs(request.user)
            context["health"] = _judge_health()
        context |= replicas.read_report(lambda: _show_week(reader), STATEMENT_SECONDS)
    except OperationalError as error:
        # The tables of the admin work without.
        if not database.was_cancelled(error):
            raise
    return context


def _show_week(reader: Reader) -> dict[str, Any]:
    return {
        "figures": [_show_figure(name, key, reader) for name, key in _FIGURES],
        "charts": [_show_chart(name, key, reader) for name, key in _CHARTS],
    }


def _judge_health() -> dict[str, Any]:
    """The level of the whole, in the words of the status page, and the parts that do not work well."""
    found = [part for _, group in parts.check_parts(timezone.now()) for part in group]
    worst = parts.find_worst(found)
    is_open = Incident.objects.exclude(status=IncidentStatus.RESOLVED).exists()
    troubled = [part for part in found if part.level is not parts.Level.OK]
    words = choose_headline(worst, {"incidents": is_open, "current": False})
    # The colour says the same as the words.
    level = "degraded" if is_open and worst is parts.Level.OK else worst.value
    return {"worst": level, "words": words, "troubled": troubled}


def _find_panel(name: str, key: str) -> Any:
    return (find_dashboard(name) or RELIABILITY).find_panel(key)


def _show_figure(name: str, key: str, reader: Reader) -> dict[str, str]:
    panel: FigurePanel = _find_panel(name, key)
    value = panel.read(reader)
    words = format_number(panel.unit, value)
    return {"title": panel.title, "words": words, "href": reverse("dashboard", args=[name])}


def _show_chart(name: str, key: str, reader: Reader) -> dict[str, str]:
    panel: DaysPanel = _find_panel(name, key)
    steps = reader.period.steps
    datasets = []
    for place, (label, values) in enumerate(panel.read(reader, steps).items()):
        colour = _NAMED_COLOURS.get(label, _COLOURS[place % len(_COLOURS)])
        datasets.append({"label": label, "data": values, "backgroundColor": f"var({colour})"})
    data = {"labels": [f"{step.first:%d %b}" for step in steps], "datasets": datasets}
    title = f"{panel.title}, USD" if panel.unit is Unit.USD else panel.title
    return {
        "title": title,
        "words": f"{panel.title} of the last {len(steps)} days",
        "data": json.dumps(data),
        "options": json.dumps(_OPTIONS),
        "href": reverse("dashboard", args=[name]),
    }


# Stacked bars with both axes: the theme's own options are for a chart without words.
_OPTIONS = {
    "responsive": True,
    "maintainAspectRatio": False,
    "animation": False,
    "maxBarThickness": 28,
    "plugins": {
        "legend": {"display": True, "position": "bottom", "labels": {"boxWidth": 10, "color": "#9ca3af"}}
    },
    "scales": {
        "x": {"stacked": True, "grid": {"display": False}, "ticks": {"color": "#9ca3af"}},
        "y": {"stacked": True, "beginAtZero": True, "ticks": {"color": "#9ca3af", "maxTicksLimit": 5}},
    },
}
