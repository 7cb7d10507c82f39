"""Grafana's JSON from the description of the dashboards: ``manage.py write_dashboards``.

Schema version 41 is that of Grafana 11.6 and 12. A change to a dashboard is made in ``description`` and
written again; what somebody changes in Grafana is lost at the next deployment.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from orchestrator.ops.dashboards.description import DASHBOARDS, ONE_REPO
from orchestrator.ops.dashboards.panels import (
    REPO,
    Dashboard,
    DaysPanel,
    FigurePanel,
    Panel,
    PartsPanel,
    Target,
)

FOLDER: Final = Path(__file__).resolve().parents[3] / "deploy/grafana/dashboards"
SCHEMA_VERSION: Final = 41
REFRESH: Final = "30s"
_WIDTH: Final = 24
_SOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}
# Red below or above, green within; Grafana's own names of colours.
_GOOD: Final = "green"
_BAD: Final = "red"


def compose_expression(expr: str, repo: str = "") -> str:
    """The expression for the dashboard of ``repo``, or for all repos without one."""
    return expr.replace(REPO, f'repo="{repo}",' if repo else "")


def build_dashboard(dashboard: Dashboard, *, repo: str = "", uid: str = "") -> dict[str, Any]:
    """The JSON of ``dashboard``; ``repo`` is a name or Grafana's variable ``$repo``."""
    panels: list[dict[str, Any]] = []
    top = 0
    for kind, height, columns in ((FigurePanel, 5, 6), (DaysPanel, 9, 2), (PartsPanel, 9, 3)):
        chosen = dashboard.select(kind)
        in_a_row = min(columns, len(chosen))
        for number, panel in enumerate(chosen):
            width = _WIDTH // in_a_row
            row, column = divmod(number, in_a_row)
            place = {"h": height, "w": width, "x": column * width, "y": top + row * height}
            panels.append(_build_panel(panel, len(panels) + 1, place, repo))
        top += height * -(-len(chosen) // in_a_row)
    variables = [_SOURCE_VARIABLE] + ([_REPO_VARIABLE] if repo == "$repo" else [])
    return {
        "uid": uid or dashboard.uid,
        "title": f"Blocks: {dashboard.title}" if repo in ("", "$repo") else f"Blocks: {repo}",
        "description": dashboard.question,
        "tags": ["blocks"],
        "schemaVersion": SCHEMA_VERSION,
        "version": 1,
        "editable": False,
        "refresh": REFRESH,
        "time": {"from": "now-7d", "to": "now"},
        "timezone": "utc",
        "templating": {"list": variables},
        "annotations": {"list": []},
        "links": [
            {
                "type": "dashboards",
                "title": "Blocks",
                "tags": ["blocks"],
                "asDropdown": True,
                "keepTime": True,
            }
        ],
        "panels": panels,
    }


_KINDS: Final = {FigurePanel: "stat", DaysPanel: "timeseries", PartsPanel: "bargauge"}
_SOURCE_VARIABLE: Final = {
    "name": "datasource",
    "label": "Prometheus",
    "type": "datasource",
    "query": "prometheus",
}
_REPO_VARIABLE: Final = {
    "name": "repo",
    "label": "Repo",
    "type": "query",
    "datasource": _SOURCE,
    "query": {"query": "label_values(flow_status_total, repo)", "refId": "repos"},
    "refresh": 2,
    "sort": 1,
}


def _build_panel(panel: Panel, number: int, place: Mapping[str, int], repo: str) -> dict[str, Any]:
    is_by_day = isinstance(panel, DaysPanel)
    targets = [
        {
            "refId": chr(ord("A") + place_of),
            "datasource": _SOURCE,
            "expr": compose_expression(query.expr, repo),
            "legendFormat": query.legend or panel.title,
            # A chart has a point a day; what is one number is asked for once.
            "instant": not is_by_day,
            "range": is_by_day,
        }
        for place_of, query in enumerate(panel.queries)
    ]
    return {
        "id": number,
        "type": _KINDS[type(panel)],
        "title": panel.title,
        "description": f"{panel.note} {panel.grafana_note}".strip(),
        "datasource": _SOURCE,
        "gridPos": dict(place),
        "targets": targets,
        **({"interval": "1d"} if is_by_day else {}),
        "fieldConfig": {"defaults": _build_defaults(panel), "overrides": []},
        "options": _build_options(panel),
    }


def _build_defaults(panel: Panel) -> dict[str, Any]:
    defaults: dict[str, Any] = {"unit": panel.unit.value, "thresholds": _build_thresholds(panel.target)}
    if isinstance(panel, DaysPanel):
        defaults["custom"] = {
            "drawStyle": "line" if panel.lines else "bars",
            "fillOpacity": 0 if panel.lines else 80,
            "stacking": {"mode": "none" if panel.lines else "normal", "group": "A"},
            "thresholdsStyle": {"mode": "line" if panel.target else "off"},
        }
    elif panel.target:
        defaults["color"] = {"mode": "thresholds"}
    return defaults


def _build_thresholds(target: Target | None) -> dict[str, Any]:
    if target is None:
        return {"mode": "absolute", "steps": [{"color": "blue", "value": None}]}
    below, above = (_BAD, _GOOD) if target.at_least else (_GOOD, _BAD)
    steps = [{"color": below, "value": None}, {"color": above, "value": target.bound}]
    return {"mode": "absolute", "steps": steps}


def _build_options(panel: Panel) -> dict[str, Any]:
    if isinstance(panel, DaysPanel):
        return {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}}
    options: dict[str, Any] = {"reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False}}
    if isinstance(panel, PartsPanel):
        options |= {"orientation": "horizontal", "displayMode": "basic"}
    return options


def build_all() -> dict[str, dict[str, Any]]:
    """Every file of ``deploy/grafana/dashboards``, by its name."""
    found = {f"{dashboard.uid}.json": build_dashboard(dashboard) for dashboard in DASHBOARDS}
    found[f"{ONE_REPO.uid}.json"] = build_dashboard(ONE_REPO, repo="$repo")
    return found


def write_files(folder: Path = FOLDER) -> list[Path]:
    """Write every file into ``folder``; return where they are."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, dashboard in build_all().items():
        path = folder / name
        path.write_text(json.dumps(dashboard, indent=2) + "\n", encoding="utf-8")
        written.append(path)
    return written
