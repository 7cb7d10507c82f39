"""Post-incident reviews over REST. For operators."""

from typing import Any

from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from orchestrator.ops.incidents import handling, review
from orchestrator.ops.incidents.errors import ReviewUnfinished
from orchestrator.ops.incidents.models import Incident, IncidentReview
from orchestrator.ops.incidents.serializers import (
    ActionItemSerializer,
    NewActionItemSerializer,
    ReviewChangeSerializer,
    ReviewSerializer,
)
from orchestrator.ops.incidents.views import NUMBER, TAGS, UNKNOWN
from orchestrator.repos.access import caller_of
from orchestrator.repos.scopes import TokenScope
from orchestrator.rest.links import build_url
from orchestrator.rest.openapi import describe_number, describe_operation
from orchestrator.rest.refusals import INVALID, refusal_by
from orchestrator.rest.request_bodies import read_valid


def _show(incident: Incident) -> Any:
    # Also where none is due: the template is filled in from the timeline, and a review may be begun any time.
    found = IncidentReview.objects.filter(incident=incident).first()
    content: dict[str, Any] = {name: getattr(found, name, "") for name in handling.REVIEW_TEXTS}
    content |= {
        "due_at": found and found.due_at,
        "overdue": found is not None and review.is_overdue(found),
        "finished_at": found and found.finished_at,
        "finished_by": found.finished_by if found else "",
        "actions": incident.actions.all(),
        "file": review.name_file(incident),
        "markdown": review.write_markdown(incident),
    }
    return ReviewSerializer(content).data


class ReviewView(APIView):
    """The review of one incident."""

    scopes = {"GET": TokenScope.OPS_READ, "PATCH": TokenScope.OPS_WRITE}

    @describe_operation(
        "incidents_review_read",
        refused=(UNKNOWN,),
        tags=TAGS,
        parameters=[NUMBER],
        responses=ReviewSerializer,
        summary="Show the review of an incident, filled in as far as it is known.",
    )
    def get(self, request: Request, number: int) -> Response:  # noqa: ARG002 - DRF's signature
        """The review as fields and as Markdown."""
        return Response(_show(handling.find_incident(number)))

    @describe_operation(
        "incidents_review_change",
        refused=(UNKNOWN, INVALID, refusal_by(ReviewUnfinished)),
        tags=TAGS,
        parameters=[NUMBER],
        request=ReviewChangeSerializer,
        responses=ReviewSerializer,
        summary="Write parts of a review, and finish it.",
    )
    def patch(self, request: Request, number: int) -> Response:
        """200 with the whole review."""
        given = read_valid(ReviewChangeSerializer, request)
        handling.write_review(number, given, actor=caller_of(request).name, finish=given["finish"])
        return Response(_show(handling.find_incident(number)))


class ActionListView(APIView):
    """What people will do so that it does not come again."""

    scopes = {"POST": TokenScope.OPS_WRITE}

    @describe_operation(
        "incidents_action_add",
        refused=(UNKNOWN, INVALID),
        tags=TAGS,
        parameters=[NUMBER],
        request=NewActionItemSerializer,
        responses={201: ActionItemSerializer},
        summary="Add an action item with its owner.",
    )
    def post(self, request: Request, number: int) -> Response:
        """201 with the action."""
        given = read_valid(NewActionItemSerializer, request)
        made = handling.add_action(number, given["text"], owner=given["owner"], due=given["due"])
        headers = {"Location": build_url(request, f"/api/v1/incidents/{number}/review/")}
        return Response(ActionItemSerializer(made).data, status=status.HTTP_201_CREATED, headers=headers)


class ActionDoneView(APIView):
    """Ends an action."""

    scopes = {"POST": TokenScope.OPS_WRITE}

    @describe_operation(
        "incidents_action_done",
        refused=(UNKNOWN,),
        tags=TAGS,
        parameters=[NUMBER, describe_number("The action's number.", "action_number")],
        request=None,
        responses=ActionItemSerializer,
        summary="Note that an action is done.",
    )
    def post(self, request: Request, number: int, action_number: int) -> Response:
        """200; the second time changes nothing."""
        done = handling.finish_action(number, action_number, actor=caller_of(request).name)
        return Response(ActionItemSerializer(done).data)
