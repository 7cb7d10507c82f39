"""The weekly update, sent on Fridays: the seven days up to Thursday, beside the seven before.

Its message is the launch runbook's, filled in; the figures behind it follow.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta
from typing import Any, Final

from orchestrator.ops.dashboards.numbers import format_number
from orchestrator.ops.dashboards.panels import PartsPanel, Unit
from orchestrator.ops.dashboards.period import Period
from orchestrator.ops.reports import rendering
from orchestrator.ops.reports.asked import ask_figure
from orchestrator.ops.reports.document import ReportDocument, ReportLine
from orchestrator.ops.reports.report_kind import ReportKind, SectionPlan, find_figure, find_table

_LAST_WEEKDAY: Final = 3
"""Thursday, as Python counts: the last day that is over on a Friday."""
_HIGHLIGHTS: Final = 3
_REPOS: Final = find_figure("repos")
_BLOCKS: Final = PartsPanel(
    "blocks-by-repo",
    "Verified blocks by repo",
    Unit.NUMBER,
    (),
    part="repo",
    drill={"ended": "passed"},
    read=lambda reader: {row.keys[0]: float(row.passed) for row in reader.flows("repo") if row.passed},
)


def _find_week(day: date) -> Period | None:
    return Period(day - timedelta(days=6), day) if day.weekday() == _LAST_WEEKDAY else None


def describe_week(document: ReportDocument) -> Mapping[str, Any]:
    """The values of the message ``weekly_update``."""
    repos, goal = _require(document, "repos").value or 0.0, _REPOS.target.bound if _REPOS.target else 0.0
    found: dict[str, Any] = {
        "week": _word_week(date.fromisoformat(document.first), date.fromisoformat(document.last)),
        "repos": f"{repos:.0f}",
        "repos_target": f"{goal:.0f}",
        "repos_share": format_number(Unit.PERCENT, 100 * repos / goal),
        "flows": _require(document, "flows").words,
        "highlights": _list_highlights(document),
        "next_week": _list_plans(document, repos, goal),
    }
    for name, key in (
        ("success_rate", "success"),
        ("cycle_time", "cycle-time"),
        ("cost", "cost-per-feature"),
        ("quality", "quality"),
    ):
        line = _require(document, key)
        found |= {name: line.words, f"{name}_mark": rendering.mark(line)}
    # What nobody has measured is asked for in the report, and not told to everybody.
    cycle = _require(document, "cycle-time")
    return found | {"cycle_time": "" if cycle.value is None else f"{cycle.words}d"}


def _require(document: ReportDocument, key: str) -> ReportLine:
    # A figure that a later edit of the plan drops must fail in a test, not leave a hole in a message.
    line = document.find_line(key)
    if line is None:
        raise LookupError(f"The weekly update has no figure {key!r}.")
    return line


def _word_week(first: date, last: date) -> str:
    """``Dec 9-13``, or ``Nov 27-Dec 3`` over the end of a month."""
    month = "" if first.month == last.month else f"{last:%b} "
    return f"{first:%b} {first.day}-{month}{last.day}"


def _list_highlights(document: ReportDocument) -> list[str]:
    table, incidents = document.find_table(_BLOCKS.key), _require(document, "p1-incidents")
    rows = table.rows if table is not None else ()
    found = [
        f"{row.name} generated {row.words[0]} {'block' if row.words[0] == '1' else 'blocks'}"
        for row in rows[:_HIGHLIGHTS]
    ]
    if incidents.value is not None:
        found.append(f"P1 incidents this week: {incidents.words}")
    return found or ["No block was verified this week"]


def _list_plans(document: ReportDocument, repos: float, goal: float) -> list[str]:
    # What missed its target is next week's plan; without one, the rollout continues.
    lines = [line for section in document.sections for line in section.lines]
    missed = [f"{line.title}: {line.words}, to be {line.target}" for line in lines if line.met is False]
    left = round(goal - repos)
    return missed + ([f"Onboard the remaining {left} repos"] if left > 0 else ["Keep all repos active"])


KIND = ReportKind(
    "weekly",
    "Weekly update",
    (
        SectionPlan(
            "Rollout",
            (
                # Half of the repos after half of the time has missed nothing.
                replace(_REPOS, target=None),
                *map(find_figure, ("flows", "success")),
                replace(find_figure("active-repos"), target=None),
                *map(find_figure, ("people", "time-to-ready", "approval-time")),
                find_table("ready-by-day"),
                find_table("onboardings"),
                _BLOCKS,
            ),
        ),
        SectionPlan(
            "Metrics",
            (
                ask_figure("cycle-time"),
                *map(find_figure, ("cost-per-feature", "quality", "p95", "in-time", "uptime", "spend-a-day")),
                find_figure("return"),
                ask_figure("p1-incidents"),
            ),
        ),
        SectionPlan("Trends", tuple(map(find_table, ("ends-by-day", "p95-by-day", "spend-by-day")))),
    ),
    find_period=_find_week,
    compare=True,
    message="weekly_update",
    values=describe_week,
)
