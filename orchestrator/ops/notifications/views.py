"""Messages to people over REST: write one, and see whether it arrived. For operators."""

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema_view
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer
from rest_framework.views import APIView

from orchestrator.ops.notifications.errors import NotifierNotConfigured
from orchestrator.ops.notifications.filters import NotificationFilter
from orchestrator.ops.notifications.models import Notification
from orchestrator.ops.notifications.serializers import (
    NewEmailNotificationSerializer,
    NewSlackNotificationSerializer,
    NotificationSerializer,
)
from orchestrator.repos.access import caller_of
from orchestrator.repos.scopes import TokenScope
from orchestrator.rest.filters import StrictFilterBackend
from orchestrator.rest.links import build_url
from orchestrator.rest.openapi import describe_number, describe_operation
from orchestrator.rest.pagination import NewestFirstPagination
from orchestrator.rest.refusals import INVALID, refusal_by
from orchestrator.rest.sparse_fields import SparseFields, SparseListView

_TAGS = ["notifications"]
_NOTIFY_REFUSED = (INVALID, refusal_by(NotifierNotConfigured))
_NUMBER = describe_number("The number in its address.")


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
            NotificationSerializer(notification, context={"request": request}).data,
            status=status.HTTP_202_ACCEPTED,
            headers={"Location": build_url(request, f"/api/v1/notifications/{notification.pk}/")},
        )


@extend_schema_view(
    post=describe_operation(
        "notify_slack",
        refused=_NOTIFY_REFUSED,
        tags=_TAGS,
        responses={202: NotificationSerializer},
        summary="Post a message into a Slack channel.",
    )
)
class SlackNotificationView(NewNotificationView):
    """Posts into Slack."""

    serializer_class = NewSlackNotificationSerializer


@extend_schema_view(
    post=describe_operation(
        "notify_email",
        refused=_NOTIFY_REFUSED,
        tags=_TAGS,
        responses={202: NotificationSerializer},
        summary="Send a mail to one address.",
    )
)
class EmailNotificationView(NewNotificationView):
    """Sends mail."""

    serializer_class = NewEmailNotificationSerializer


class NotificationListView(SparseListView[Notification]):
    """All messages, newest first."""

    scopes = {"GET": TokenScope.OPS_READ}
    sparse_serializer = NotificationSerializer
    orderings = {"-created_at": ("-pk",), "created_at": ("pk",)}
    filter_backends = [StrictFilterBackend]
    filterset_class = NotificationFilter
    queryset = Notification.objects.all()
    serializer_class = NotificationSerializer
    pagination_class = NewestFirstPagination

    @describe_operation(
        "notifications_list",
        tags=_TAGS,
        responses=NotificationSerializer(many=True),
        summary="List messages, newest first.",
    )
    def get(self, request: Request) -> Response:
        """A page of messages."""
        return self.answer_page(request, self.filter_queryset(self.get_queryset()))


class NotificationDetailView(SparseFields, APIView):
    """One message."""

    scopes = {"GET": TokenScope.OPS_READ}
    sparse_serializer = NotificationSerializer

    @describe_operation(
        "notifications_read",
        tags=_TAGS,
        parameters=[_NUMBER],
        responses=NotificationSerializer,
        summary="Show a message and whether it arrived.",
    )
    def get(self, request: Request, number: int) -> Response:
        """The message."""
        found = get_object_or_404(Notification, pk=number)
        shown = NotificationSerializer(found, context={"request": request})
        return Response(self.keep_fields(request, shown).data)
