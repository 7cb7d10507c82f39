"""The dashboards inside the product, for people without Grafana: owners see their repos, operators all.

``?days=`` is the range and ``?compare=1`` adds the days before. Every panel is a file as well.
"""

import csv
from collections.abc import Callable
from typing import Any

from django.db import OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from orchestrator.core import database, replicas
from orchestrator.ops.dashboards.csv_cells import escape_cell
from orchestrator.ops.dashboards.description import (
    DASHBOARDS,
    ONE_REPO,
    find_dashboard,
)
from orchestrator.ops.dashboards.panels import Dashboard
from orchestrator.ops.dashboards.period import DEFAULT_RANGE, RANGES, Period, choose_period
from orchestrator.ops.dashboards.reader import Reader, read_today
from orchestrator.ops.dashboards.roi import RoiAssumptions
from orchestrator.web import query, rights
from orchestrator.web.components.dashboard import build_page, list_rows

STATEMENT_SECONDS = 5.0
"""How long a page may read. A longer period than the database can add up in this time is refused in words."""
_SPEND_KEYS = ("day", "repo", "block_family", "provider", "model")
Table = tuple[tuple[str, ...], list[tuple[Any, ...]]]
"""The names of the columns, and the rows."""


@require_safe
@rights.for_people_with_flows
def show_first_dashboard(request: HttpRequest) -> HttpResponse:  # noqa: ARG001 - Django's signature
    """The dashboards begin with whether it works."""
    return redirect("dashboard", dashboard="reliability")


@require_safe
@never_cache
@rights.for_people_with_flows
def show_dashboard(request: HttpRequest, dashboard: str) -> HttpResponse:
    """One of the dashboards over all repos that the person may see."""
    return _show(request, _find_dashboard(dashboard), _read_scope(request), {})


@require_safe
@never_cache
@rights.for_people_with_flows
def show_repo_dashboard(request: HttpRequest, repo: str) -> HttpResponse:
    """The dashboard of one repo; 404 for one that the person may not see."""
    _require_repo(request, repo)
    return _show(request, ONE_REPO, (repo,), {"repo": repo})


@require_safe
@rights.for_people_with_flows
def download_panel(request: HttpRequest, dashboard: str, panel: str) -> HttpResponse:
    """The numbers of a panel as CSV."""
    return _answer_with_panel(request, _find_dashboard(dashboard), panel, _read_scope(request), dashboard)


@require_safe
@rights.for_people_with_flows
def download_repo_panel(request: HttpRequest, repo: str, panel: str) -> HttpResponse:
    """The numbers of a panel of one repo as CSV."""
    _require_repo(request, repo)
    return _answer_with_panel(request, ONE_REPO, panel, (repo,), repo)


@require_safe
@rights.for_people_with_flows
def download_spend(request: HttpRequest) -> HttpResponse:
    """Calls, tokens and USD by day, repo, block family, provider and model as CSV."""
    query.refuse_unknown(request, "days", "repo")
    period = _read_period(request)
    repos = _read_scope(request)
    if repo := request.GET.get("repo", ""):
        _require_repo(request, repo)
        repos = (repo,)

    def read() -> Table:
        found = Reader(period, repos).calls(*_SPEND_KEYS)
        rows = [(*row.keys, row.calls, row.tokens, f"{row.usd:.6f}") for row in found]
        return (*_SPEND_KEYS, "calls", "tokens", "usd"), rows

    return _answer_with_csv("spend", period, read)


def _show(
    request: HttpRequest, dashboard: Dashboard, repos: tuple[str, ...] | None, filters: dict[str, str]
) -> HttpResponse:
    query.refuse_unknown(request, "days", "compare")
    period = _read_period(request)
    compare = query.read_choice(request.GET, "compare", ("1",)) == "1"
    page = None
    try:
        page = replicas.read_report(
            lambda: build_page(dashboard, Reader(period, repos), compare=compare, filters=filters),
            STATEMENT_SECONDS,
        )
    except OperationalError as error:
        # Any other error is the database's being away, which has a page of its own.
        if not database.was_cancelled(error):
            raise
    context = {
        "dashboard": dashboard,
        "dashboards": DASHBOARDS,
        "page": page,
        "period": period,
        "ranges": RANGES,
        "days": period.length,
        "compare": compare,
        "repo": filters.get("repo", ""),
        "repos": rights.list_visible_repos(request.user).order_by("name").values_list("name", flat=True),
        "assumptions": [one[1:] for one in RoiAssumptions.in_force().describe()]
        if dashboard.name == "roi"
        else (),
        "now": timezone.now(),
        "seconds": STATEMENT_SECONDS,
    }
    return render(request, "web/dashboard.html", context)


def _list_assumptions(dashboard: Dashboard) -> list[tuple[str, str]]:
    """Words and values of what the figures of the dashboard assume."""
    if dashboard.name != "roi":
        return []
    return [(words, value) for _, words, value in RoiAssumptions.in_force().describe()]


def _find_dashboard(name: str) -> Dashboard:
    dashboard = find_dashboard(name)
    if dashboard is None:
        raise Http404
    return dashboard


def _read_scope(request: HttpRequest) -> tuple[str, ...] | None:
    """The repos that the person may see; None for all of them, also those that are deleted."""
    if rights.sees_all_flows(request.user):
        return None
    return tuple(rights.list_visible_repos(request.user).values_list("name", flat=True))


def _require_repo(request: HttpRequest, repo: str) -> None:
    # The same answer for a foreign repo and for none, so that names cannot be probed.
    if "\0" in repo or not rights.list_visible_repos(request.user).filter(name=repo).exists():
        raise Http404


def _read_period(request: HttpRequest) -> Period:
    asked = query.read_choice(request.GET, "days", tuple(map(str, RANGES)))
    return choose_period(read_today(), int(asked or DEFAULT_RANGE))


def _answer_with_panel(
    request: HttpRequest, dashboard: Dashboard, key: str, repos: tuple[str, ...] | None, name: str
) -> HttpResponse:
    panel = dashboard.find_panel(key)
    if panel is None:
        raise Http404
    query.refuse_unknown(request, "days")
    period = _read_period(request)
    return _answer_with_csv(f"{name}-{key}", period, lambda: list_rows(panel, Reader(period, repos)))


def _answer_with_csv(name: str, period: Period, read: Callable[[], Table]) -> HttpResponse:
    try:
        head, rows = replicas.read_report(read, STATEMENT_SECONDS)
    except OperationalError as error:
        if not database.was_cancelled(error):
            raise
        words = f"This takes more than {STATEMENT_SECONDS:.0f} seconds: ask for fewer days.\n"
        return HttpResponse(words, status=503, content_type="text/plain")
    answer = HttpResponse(content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="{name}-{period.first}-{period.last}.csv"'
    writer = csv.writer(answer)
    writer.writerow(head)
    for row in rows:
        writer.writerow([escape_cell(cell) for cell in row])
    return answer
