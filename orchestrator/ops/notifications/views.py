"""Messages to people over REST: write one, and see whether it arrived. For operators."""

from typing import Any

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import status
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer
from rest_framework.views import APIView

from orchestrator.ops.notifications.models import Notification
from orchestrator.ops.notifications.serializers import (
    NewEmailNotificationSerializer,
    NewSlackNotificationSerializer,
    NotificationSerializer,
)
from orchestrator.repos.access import caller_of
from orchestrator.repos.scopes import TokenScope
from orchestrator.rest.pagination import NewestFirstPagination

_TAGS = ["notifications"]


class NewNotificationView(APIView):
    """Takes one message; a subclass names its shape."""

    scopes = {"POST": TokenScope.OPS_WRITE}
    serializer_class: type[Serializer[Notification]]

    def post(self, request: Request) -> Response:
        """202: the message is kept and will be sent. ``/notifications/{id}/`` says whether it was."""
        actor = caller_of(request).name
        wanted = self.serializer_class(data=request.data)
        wanted.is_valid(raise_exception=True)
        notification = wanted.save(actor=actor)
        # Read again: the delivery after the commit may have sent it already.
        notification.refresh_from_db()
        return Response(
            NotificationSerializer(notification).data,
            status=status.HTTP_202_ACCEPTED,
            headers={"Location": f"/api/v1/notifications/{notification.pk}/"},
        )


@extend_schema_view(
    post=extend_schema(
        operation_id="notify_slack",
        tags=_TAGS,
        responses={202: NotificationSerializer},
        summary="Post a message into a Slack channel.",
    )
)
class SlackNotificationView(NewNotificationView):
    """Posts into Slack."""

    serializer_class = NewSlackNotificationSerializer


@extend_schema_view(
    post=extend_schema(
        operation_id="notify_email",
        tags=_TAGS,
        responses={202: NotificationSerializer},
        summary="Send a mail to one address.",
    )
)
class EmailNotificationView(NewNotificationView):
    """Sends mail."""

    serializer_class = NewEmailNotificationSerializer


class NotificationListView(GenericAPIView[Notification]):
    """All messages, newest first."""

    scopes = {"GET": TokenScope.OPS_READ}
    queryset = Notification.objects.all()
    serializer_class = NotificationSerializer
    pagination_class = NewestFirstPagination

    @extend_schema(operation_id="notifications_list", tags=_TAGS, summary="List messages, newest first.")
    def get(self, request: Request) -> Response:  # noqa: ARG002 - DRF's signature
        """A page of messages."""
        page: Any = self.paginate_queryset(self.get_queryset())
        return self.get_paginated_response(self.get_serializer(page, many=True).data)


class NotificationDetailView(APIView):
    """One message."""

    scopes = {"GET": TokenScope.OPS_READ}

    @extend_schema(
        operation_id="notifications_read",
        tags=_TAGS,
        responses=NotificationSerializer,
        summary="Show a message and whether it arrived.",
    )
    def get(self, request: Request, number: int) -> Response:  # noqa: ARG002 - DRF's signature
        """The message."""
        return Response(NotificationSerializer(get_object_or_404(Notification, pk=number)).data)
