"""Messages to people over REST: write one, and see whether it arrived. For operators."""

from typing import Any

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from orchestrator.ops.notifications.delivery import notify
from orchestrator.ops.notifications.models import Notification
from orchestrator.ops.notifications.serializers import (
    NewEmailNotificationSerializer,
    NewSlackNotificationSerializer,
    NotificationSerializer,
)
from orchestrator.repos.access import require_operator
from orchestrator.rest.pagination import NewestFirstPagination

_TAGS = ["notifications"]


class SlackNotificationView(APIView):
    """Posts into Slack."""

    @extend_schema(
        operation_id="notify_slack",
        tags=_TAGS,
        request=NewSlackNotificationSerializer,
        responses={202: NotificationSerializer},
        summary="Post a message into a Slack channel.",
    )
    def post(self, request: Request) -> Response:
        """202: the message is kept and will be sent. ``/notifications/{id}/`` says whether it was."""
        actor = require_operator(request).name
        wanted = NewSlackNotificationSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        channel = "#" + wanted.validated_data["channel"].removeprefix("#")
        return _answer(notify("slack", channel, wanted.validated_data["message"], actor=actor))


class EmailNotificationView(APIView):
    """Sends mail."""

    @extend_schema(
        operation_id="notify_email",
        tags=_TAGS,
        request=NewEmailNotificationSerializer,
        responses={202: NotificationSerializer},
        summary="Send a mail to one address.",
    )
    def post(self, request: Request) -> Response:
        """202: the mail is kept and will be sent. ``/notifications/{id}/`` says whether it was."""
        actor = require_operator(request).name
        wanted = NewEmailNotificationSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        mail = wanted.validated_data
        return _answer(notify("email", mail["to"], mail["body"], subject=mail["subject"], actor=actor))


class NotificationListView(GenericAPIView[Notification]):
    """All messages, newest first."""

    queryset = Notification.objects.all()
    serializer_class = NotificationSerializer
    pagination_class = NewestFirstPagination

    @extend_schema(operation_id="notifications_list", tags=_TAGS, summary="List messages, newest first.")
    def get(self, request: Request) -> Response:
        """A page of messages."""
        require_operator(request)
        page: Any = self.paginate_queryset(self.get_queryset())
        return self.get_paginated_response(self.get_serializer(page, many=True).data)


class NotificationDetailView(APIView):
    """One message."""

    @extend_schema(
        operation_id="notifications_read",
        tags=_TAGS,
        responses=NotificationSerializer,
        summary="Show a message and whether it arrived.",
    )
    def get(self, request: Request, number: int) -> Response:
        """The message."""
        require_operator(request)
        return Response(NotificationSerializer(get_object_or_404(Notification, pk=number)).data)


def _answer(notification: Notification) -> Response:
    # Read again: the delivery after the commit may have sent it already.
    notification.refresh_from_db()
    return Response(
        NotificationSerializer(notification).data,
        status=status.HTTP_202_ACCEPTED,
        headers={"Location": f"/api/v1/notifications/{notification.pk}/"},
    )
