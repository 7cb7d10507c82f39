"""Reports over REST: as JSON, as Markdown and as CSV. The token of a repo reads the figures of its repo."""

from collections.abc import Callable
from typing import Any, Final

from django.conf import settings
from django.db import OperationalError
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from orchestrator.core import database, replicas
from orchestrator.ops.dashboards.period import Period
from orchestrator.ops.dashboards.reader import read_today
from orchestrator.ops.reports import archive, periods, rendering, texts
from orchestrator.ops.reports.building import build_report
from orchestrator.ops.reports.document import ReportDocument
from orchestrator.ops.reports.errors import ReportPeriodRefused, ReportTooLong
from orchestrator.ops.reports.report_kind import REPORT_KINDS
from orchestrator.ops.reports.serializers import ReportSerializer
from orchestrator.repos.access import caller_of, repo_for
from orchestrator.repos.api.refusals import OF_A_REPO
from orchestrator.repos.scopes import TokenScope
from orchestrator.rest.filters import refuse_filter
from orchestrator.rest.negotiation import AnyAcceptNegotiation
from orchestrator.rest.openapi import describe_operation
from orchestrator.rest.refusals import refusal_by

STATEMENT_SECONDS: Final = 10.0
"""How long one statement may take: the tables of days answer in milliseconds."""
FORMATS: Final = ("json", "markdown", "csv")
_TAGS = ["reports"]
_RESPONSES: Final[Any] = {
    (200, "application/json"): ReportSerializer,
    (200, "text/markdown"): OpenApiTypes.STR,
    (200, "text/csv"): OpenApiTypes.STR,
}
_REFUSED: Final = (refusal_by(ReportPeriodRefused), refusal_by(ReportTooLong))
_FORMAT = OpenApiParameter("format", enum=FORMATS, description="json without it.")


class ReportView(APIView):
    """One kind of report; a subclass names it and reads the period."""

    kind = ""
    # ``format`` decides, so that a link in a message gives what it says in every browser.
    content_negotiation_class: type[BaseContentNegotiation] = AnyAcceptNegotiation

    def answer(self, request: Request, period: Period, repo: str = "") -> HttpResponseBase:
        """The report of ``period`` in the format that was asked for: the stored one where there is one."""
        # Read here and not by DRF, whose own choice by suffix and header has no CSV.
        form = request.query_params.get("format", "json")
        if form not in FORMATS:
            refuse_filter(f"format={form[:20]!r} is not known.", cure=f"Use one of: {', '.join(FORMATS)}.")
        # A period up to now is different every second, and is never stored.
        stored = archive.find_report(self.kind, period, repo) if period.since is None else None
        if stored is None:
            document = _build(lambda: build_report(REPORT_KINDS.get(self.kind), period, repo))
        else:
            document = ReportDocument.from_json(stored.content)
        # Behind a proxy only the setting knows the address that readers can open.
        base = settings.PUBLIC_URL or request.build_absolute_uri("/").rstrip("/")
        if form == "json":
            files = texts.write_files(document, base)
            content = {
                **document.to_json(),
                "written_at": stored and stored.created_at,
                "digest": stored.digest if stored else "",
                "files": [{"path": path, "text": text} for path, text in files.items()],
            }
            return Response(ReportSerializer(content).data)
        if form == "csv":
            return _answer_with_text(rendering.render_csv(document, base), "text/csv")
        return _answer_with_text(texts.write_markdown(document, base), "text/markdown")


class DailyReportView(ReportView):
    """The daily report, and the same figures of a longer time."""

    scopes = {"GET": TokenScope.FLOWS_READ}
    kind = "daily"
    query_names = ("last", "day", "repo", "format")

    @describe_operation(
        "reports_daily",
        tags=_TAGS,
        refused=(*OF_A_REPO, *_REFUSED),
        parameters=[
            OpenApiParameter("last", enum=list(periods.LAST), description="Up to now; 24h without it."),
            OpenApiParameter("day", OpenApiTypes.DATE, description="A day that is over, in UTC, instead."),
            OpenApiParameter("repo", description="Of one repo; a repo's token has only its own."),
            _FORMAT,
        ],
        responses=_RESPONSES,
        summary="Report success, latency, cost and quality of a day, with the targets that were missed.",
    )
    def get(self, request: Request) -> HttpResponseBase:
        """The figures of the last hours, or of a day. A stored report stays as it was written."""
        asked = request.query_params
        # Refused rather than ranked: which of the two the caller means is not known.
        if "last" in asked and "day" in asked:
            raise ReportPeriodRefused("last and day exclude each other.")
        if "day" in asked:
            period = periods.choose_ended(REPORT_KINDS.get(self.kind), read_today(), asked["day"])
        else:
            period = periods.choose_last(timezone.now(), asked.get("last", "24h"))
        return self.answer(request, period, _choose_repo(request))


class WeeklyReportView(ReportView):
    """The weekly update."""

    scopes = {"GET": TokenScope.OPS_READ}
    kind = "weekly"
    query_names = ("day", "format")

    @describe_operation(
        "reports_weekly",
        tags=_TAGS,
        refused=_REFUSED,
        parameters=[
            OpenApiParameter("day", OpenApiTypes.DATE, description="The week that ended by this day."),
            _FORMAT,
        ],
        responses=_RESPONSES,
        summary="Report a week of the rollout beside the week before. For operators.",
    )
    def get(self, request: Request) -> HttpResponseBase:
        """The last week that is over; a week ends on a Thursday, so that Friday can speak of it."""
        kind, day = REPORT_KINDS.get(self.kind), request.query_params.get("day", "")
        return self.answer(request, periods.choose_ended(kind, read_today(), day))


class PhaseReportView(ReportView):
    """A report of a phase: the days of the settings, or those that were asked for."""

    scopes = {"GET": TokenScope.OPS_READ}
    query_names = ("first", "last", "format")

    def answer_phase(self, request: Request, setting: str) -> HttpResponseBase:
        """The report of the days in the query, or in ``setting`` as far as they are over."""
        asked, today = request.query_params, read_today()
        # One of the two is enough: the other is then refused as missing, and not taken from a setting.
        if "first" in asked or "last" in asked:
            period = periods.choose_days(today, asked.get("first", ""), asked.get("last", ""))
        else:
            period = periods.choose_phase(today, setting, getattr(settings, setting))
        return self.answer(request, period)


_PHASE_PARAMETERS = [
    OpenApiParameter("first", OpenApiTypes.DATE, description="With last: other days than the settings'."),
    OpenApiParameter("last", OpenApiTypes.DATE, description="A day that is over, in UTC."),
    _FORMAT,
]


class SoakReportView(PhaseReportView):
    """The soak report."""

    kind = "soak"

    @describe_operation(
        "reports_soak",
        tags=_TAGS,
        refused=_REFUSED,
        parameters=_PHASE_PARAMETERS,
        responses=_RESPONSES,
        summary="Report the exit criteria of the soak, with the files of its evidence. For operators.",
    )
    def get(self, request: Request) -> HttpResponseBase:
        """The days of SOAK_DAYS, or those between first and last."""
        return self.answer_phase(request, "SOAK_DAYS")


class RolloutReportView(PhaseReportView):
    """The rollout report."""

    kind = "rollout"

    @describe_operation(
        "reports_rollout",
        tags=_TAGS,
        refused=_REFUSED,
        parameters=_PHASE_PARAMETERS,
        responses=_RESPONSES,
        summary="Report the success metrics of the rollout and the return on spend. For operators.",
    )
    def get(self, request: Request) -> HttpResponseBase:
        """The days of ROLLOUT_DAYS, or those between first and last."""
        return self.answer_phase(request, "ROLLOUT_DAYS")


def _choose_repo(request: Request) -> str:
    """The repo whose figures are meant; empty for all of them, which only operators have."""
    caller = caller_of(request)
    # Through the same door as everywhere: the token of a repo reads its own figures only.
    if "repo" in request.query_params:
        return repo_for(request, request.query_params["repo"]).name
    return "" if caller.is_operator else str(caller.token.repo)


def _build(build: Callable[[], ReportDocument]) -> ReportDocument:
    try:
        return replicas.read_report(build, STATEMENT_SECONDS)
    except OperationalError as error:
        # Any other error is the database's being away, which has an answer of its own.
        if not database.was_cancelled(error):
            raise
        raise ReportTooLong from error


def _answer_with_text(text: str, media_type: str) -> HttpResponse:
    return HttpResponse(text, content_type=f"{media_type}; charset=utf-8")
