"""Incidents over REST: open, lead, diagnose, resolve; and what Alertmanager reports. For operators."""

from dataclasses import asdict
from typing import Any, Final

from django.db import OperationalError
from django.db.models import QuerySet
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from orchestrator.core import database
from orchestrator.core.errors import FixedBy, OrchestratorError
from orchestrator.ops.incidents import alert_reports, diagnosis, handling, opening, timeline
from orchestrator.ops.incidents.errors import IncidentResolved, TimeRefused, UnknownIncident
from orchestrator.ops.incidents.filters import IncidentFilter
from orchestrator.ops.incidents.models import EntryKind, Incident
from orchestrator.ops.incidents.serializers import (
    AlertmanagerMessageSerializer,
    AlertReportSerializer,
    DiagnosisSerializer,
    HandoverSerializer,
    IncidentEntrySerializer,
    IncidentSerializer,
    NewIncidentSerializer,
    NewNoteSerializer,
    ResolutionSerializer,
    SeverityChangeSerializer,
    TimelineSerializer,
)
from orchestrator.repos.access import caller_of, repo_for
from orchestrator.repos.api.refusals import UNKNOWN_REPO
from orchestrator.repos.scopes import TokenScope
from orchestrator.rest.filters import StrictFilterBackend
from orchestrator.rest.links import build_url
from orchestrator.rest.openapi import describe_number, describe_operation
from orchestrator.rest.pagination import NewestFirstPagination
from orchestrator.rest.refusals import INVALID, refusal_by
from orchestrator.rest.request_bodies import read_valid
from orchestrator.rest.sparse_fields import SparseFields, SparseListView

TAGS: Final = ["incidents"]
NUMBER: Final = describe_number("The incident's number.")
UNKNOWN: Final = refusal_by(UnknownIncident)
_CHANGED: Final = (UNKNOWN, refusal_by(IncidentResolved))
_WRONG_TIME: Final = refusal_by(TimeRefused)


class DiagnosisTooLong(OrchestratorError):
    """The diagnosis takes longer than a request may."""

    code = "incidents:diagnosis-too-long"
    cure = "Look at the flows that failed: `blocks status flows --failed --last-1h`."
    fixed_by = FixedBy.OPERATOR


def select_incidents() -> QuerySet[Incident]:
    """Incidents with what their shape shows, at the same number of queries for one and for many."""
    # The review is at most one row, repos and alerts are many: a join for it, a query for each of them.
    return Incident.objects.select_related("review").prefetch_related("repos", "alerts")


class IncidentListView(SparseListView[Incident]):
    """All incidents."""

    scopes = {"GET": TokenScope.OPS_READ, "POST": TokenScope.OPS_WRITE}
    sparse_serializer = IncidentSerializer
    orderings = {"-created_at": ("-pk",), "created_at": ("pk",)}
    filter_backends = [StrictFilterBackend]
    filterset_class = IncidentFilter
    queryset = select_incidents()
    serializer_class = IncidentSerializer
    pagination_class = NewestFirstPagination

    @describe_operation(
        "incidents_list",
        tags=TAGS,
        responses=IncidentSerializer(many=True),
        summary="List incidents, newest first.",
    )
    def get(self, request: Request) -> Response:
        """A page of incidents."""
        return self.answer_page(request, self.filter_queryset(self.get_queryset()))

    @describe_operation(
        "incidents_open",
        refused=(INVALID, UNKNOWN_REPO, _WRONG_TIME),
        tags=TAGS,
        request=NewIncidentSerializer,
        responses={201: IncidentSerializer},
        summary="Open an incident, and tell the channels of its severity.",
    )
    def post(self, request: Request) -> Response:
        """201: it is open, and escalates until somebody acknowledges it."""
        given = read_valid(NewIncidentSerializer, request)
        incident, _ = opening.open_incident(
            given["title"],
            given["severity"],
            actor=caller_of(request).name,
            commander=given.get("commander", ""),
            detected_at=timeline.check_time(given.get("detected_at")),
            repos=[repo_for(request, name) for name in given.get("repos", ())],
        )
        headers = {"Location": build_url(request, f"/api/v1/incidents/{incident.pk}/")}
        return Response(show(incident.pk, request), status=status.HTTP_201_CREATED, headers=headers)


def show(number: int, request: Request) -> Any:
    """The incident as it is answered."""
    return _serialize(number, request).data


def _serialize(number: int, request: Request) -> IncidentSerializer:
    # Asked first, because a missing row is a problem with a cure and not Django's exception.
    handling.find_incident(number)
    return IncidentSerializer(select_incidents().get(pk=number), context={"request": request})


class IncidentDetailView(SparseFields, APIView):
    """One incident."""

    scopes = {"GET": TokenScope.OPS_READ}
    sparse_serializer = IncidentSerializer

    @describe_operation(
        "incidents_read",
        tags=TAGS,
        refused=(UNKNOWN,),
        parameters=[NUMBER],
        responses=IncidentSerializer,
        summary="Show an incident with its clocks.",
    )
    def get(self, request: Request, number: int) -> Response:
        """The incident."""
        return Response(self.keep_fields(request, _serialize(number, request)).data)


class AcknowledgementView(APIView):
    """Takes an incident."""

    scopes = {"POST": TokenScope.OPS_WRITE}

    @describe_operation(
        "incidents_acknowledge",
        refused=_CHANGED,
        tags=TAGS,
        parameters=[NUMBER],
        request=None,
        responses=IncidentSerializer,
        summary="Acknowledge an incident: escalation stops in every channel, for a while.",
    )
    def post(self, request: Request, number: int) -> Response:
        """200. It is not acknowledged any more after INCIDENT_ACKNOWLEDGED_MINUTES."""
        handling.acknowledge(number, actor=caller_of(request).name)
        return Response(show(number, request))


class HandoverView(APIView):
    """Lets somebody else lead."""

    scopes = {"POST": TokenScope.OPS_WRITE}

    @describe_operation(
        "incidents_hand_over",
        refused=(*_CHANGED, INVALID),
        tags=TAGS,
        parameters=[NUMBER],
        request=HandoverSerializer,
        responses=IncidentSerializer,
        summary="Hand an incident over to another commander.",
    )
    def post(self, request: Request, number: int) -> Response:
        """200 with the new commander."""
        given = read_valid(HandoverSerializer, request)
        handling.hand_over(number, given["commander"], actor=caller_of(request).name, note=given["note"])
        return Response(show(number, request))


class SeverityView(APIView):
    """Raises and lowers the severity."""

    scopes = {"POST": TokenScope.OPS_WRITE}

    @describe_operation(
        "incidents_set_severity",
        refused=(*_CHANGED, INVALID),
        tags=TAGS,
        parameters=[NUMBER],
        request=SeverityChangeSerializer,
        responses=IncidentSerializer,
        summary="Raise or lower the severity of an incident.",
    )
    def post(self, request: Request, number: int) -> Response:
        """200. A higher severity tells its channels, and escalates again."""
        given = read_valid(SeverityChangeSerializer, request)
        handling.set_severity(number, given["severity"], actor=caller_of(request).name)
        return Response(show(number, request))


class ResolutionView(APIView):
    """Ends an incident."""

    scopes = {"POST": TokenScope.OPS_WRITE}

    @describe_operation(
        "incidents_resolve",
        refused=(*_CHANGED, INVALID),
        tags=TAGS,
        parameters=[NUMBER],
        request=ResolutionSerializer,
        responses=IncidentSerializer,
        summary="Resolve an incident, wherever it was told of.",
    )
    def post(self, request: Request, number: int) -> Response:
        """200. The review of a P1 or P2 is due within 48 hours."""
        given = read_valid(ResolutionSerializer, request)
        handling.resolve(number, actor=caller_of(request).name, text=given["text"])
        return Response(show(number, request))


class TimelineView(APIView):
    """What happened."""

    scopes = {"GET": TokenScope.OPS_READ, "POST": TokenScope.OPS_WRITE}

    @describe_operation(
        "incidents_timeline",
        refused=(UNKNOWN,),
        tags=TAGS,
        parameters=[NUMBER],
        responses=TimelineSerializer,
        summary="List what happened, in order.",
    )
    def get(self, request: Request, number: int) -> Response:  # noqa: ARG002 - DRF's signature
        """Every entry, ordered by when it happened."""
        found = timeline.list_entries(handling.find_incident(number))
        return Response(TimelineSerializer({"incident": number, "entries": found}).data)

    @describe_operation(
        "incidents_note",
        refused=(UNKNOWN, INVALID, _WRONG_TIME),
        tags=TAGS,
        parameters=[NUMBER],
        request=NewNoteSerializer,
        responses={201: IncidentEntrySerializer},
        summary="Add a note to the timeline, or an update for everybody.",
    )
    def post(self, request: Request, number: int) -> Response:
        """201 with the entry. It stays as it is."""
        given = read_valid(NewNoteSerializer, request)
        entry = handling.add_note(
            number,
            given["text"],
            actor=caller_of(request).name,
            kind=EntryKind(given["kind"]),
            at=given.get("at"),
        )
        headers = {"Location": build_url(request, f"/api/v1/incidents/{number}/timeline/")}
        shown = IncidentEntrySerializer(entry).data
        return Response(shown, status=status.HTTP_201_CREATED, headers=headers)


class DiagnosisView(APIView):
    """What the failures have in common."""

    scopes = {"GET": TokenScope.OPS_READ}

    @describe_operation(
        "incidents_diagnose",
        refused=(UNKNOWN, refusal_by(DiagnosisTooLong)),
        tags=TAGS,
        parameters=[NUMBER],
        responses=DiagnosisSerializer,
        summary="Find what the flows that failed have in common.",
    )
    def get(self, request: Request, number: int) -> Response:  # noqa: ARG002 - DRF's signature
        """Repo, family, model, deploy, stage or error code, with share and confidence."""
        incident = handling.find_incident(number)
        try:
            found = diagnosis.diagnose_incident(incident)
        except OperationalError as error:
            # Any other error is the database's being away, which has an answer of its own.
            if not database.was_cancelled(error):
                raise
            raise DiagnosisTooLong from error
        return Response(DiagnosisSerializer(asdict(found)).data)


class AlertReportView(APIView):
    """Receives Alertmanager's webhooks."""

    # A scope of its own: the token is in Alertmanager's configuration, and can do nothing else.
    scopes = {"POST": TokenScope.ALERTS_WRITE}

    @describe_operation(
        "incidents_report_alerts",
        refused=(INVALID,),
        tags=TAGS,
        request=AlertmanagerMessageSerializer,
        responses=AlertReportSerializer,
        summary="Report alerts, as Alertmanager's webhook does.",
    )
    def post(self, request: Request) -> Response:
        """200: those that fire have opened or joined incidents. The same message again changes nothing."""
        given = read_valid(AlertmanagerMessageSerializer, request)
        report = alert_reports.take_report(
            given["alerts"], receiver=given["receiver"], group_key=given["groupKey"]
        )
        return Response(AlertReportSerializer(asdict(report)).data)
