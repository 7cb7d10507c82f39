"""Webhooks over REST: make, test, change, rotate, and the log of each message."""

from typing import Final

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiParameter
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from orchestrator.core import audit
from orchestrator.ops.notifications import delivery
from orchestrator.ops.notifications.filters import DeliveryFilter
from orchestrator.ops.notifications.models import Notification, Subscription
from orchestrator.ops.notifications.subscriptions import write_test
from orchestrator.ops.notifications.webhook_secret import rotate_secret
from orchestrator.ops.notifications.webhook_serializers import (
    CreatedWebhookSerializer,
    DeliveryDetailSerializer,
    DeliverySerializer,
    NewWebhookSerializer,
    ReplayedSerializer,
    ReplayRequestSerializer,
    WebhookChangeSerializer,
    WebhookSerializer,
)
from orchestrator.repos.access import caller_of, choose_repo, limit_to_reach, repo_for
from orchestrator.repos.api.refusals import FOR_OPERATORS, OF_A_REPO
from orchestrator.repos.scopes import TokenScope
from orchestrator.rest.filters import StrictFilterBackend
from orchestrator.rest.links import build_url
from orchestrator.rest.openapi import describe_number, describe_operation
from orchestrator.rest.pagination import NewestFirstPagination
from orchestrator.rest.problems import Problem
from orchestrator.rest.refusals import INVALID, ProblemKind
from orchestrator.rest.request_bodies import read_valid
from orchestrator.rest.sparse_fields import SparseFields, SparseListView

_TAGS = ["webhooks"]
_MOST_REPLAYED: Final = 500
_NAME_A_REPO: Final = 'Send {"repo": "<name>", ...}, or {"organisation": true, ...} to hear of all of them.'
_NUMBER = describe_number("The webhook's number.")
_DELIVERY_NUMBER = describe_number("The message's number.", "delivery_number")
_UNKNOWN = ProblemKind(404, "notify:unknown-webhook", "There is no such webhook within reach.")
_UNKNOWN_DELIVERY = ProblemKind(404, "notify:unknown-delivery", "The webhook has no such message.")
_STILL_WAITING = ProblemKind(409, "notify:still-waiting", "The message was not sent yet, and will be.")


class WebhookListView(SparseListView[Subscription]):
    """The webhooks within the caller's reach."""

    scopes = {"GET": TokenScope.REPO_ADMIN, "POST": TokenScope.REPO_ADMIN}
    sparse_serializer = WebhookSerializer
    queryset = Subscription.objects.filter(notifier="webhook").select_related("repo")
    serializer_class = WebhookSerializer
    filter_backends = [StrictFilterBackend]
    pagination_class = NewestFirstPagination
    query_names = ("repo",)

    @describe_operation(
        "webhooks_list",
        refused=OF_A_REPO,
        tags=_TAGS,
        responses=WebhookSerializer(many=True),
        parameters=[OpenApiParameter("repo", str, description="Only those of this repo.")],
        summary="List the webhooks within reach, newest first.",
    )
    def get(self, request: Request) -> Response:
        """A page of them. Those of the organisation are shown to operators with `org:admin`."""
        found = limit_to_reach(request, self.get_queryset())
        # Not a filter: a repo that is foreign or unknown is refused, where a filter would show no rows.
        if "repo" in request.query_params:
            found = found.filter(repo=repo_for(request, request.query_params["repo"]))
        return self.answer_page(request, found)

    @describe_operation(
        "webhooks_create",
        refused=(*OF_A_REPO, *FOR_OPERATORS, INVALID),
        tags=_TAGS,
        request=NewWebhookSerializer,
        responses={201: CreatedWebhookSerializer},
        summary="Be told of what happens by signed requests to an address.",
    )
    def post(self, request: Request) -> Response:
        """201 with the secret, which signs every request as Standard Webhooks says."""
        given = read_valid(NewWebhookSerializer, request)
        caller = caller_of(request).name
        repo = choose_repo(request, given, for_all="organisation", cure=_NAME_A_REPO)
        with audit.act_as(caller):
            made = Subscription.objects.create(
                repo=repo,
                notifier="webhook",
                target=given["url"],
                topics=given["topics"],
                is_active=given.get("is_active", True),
                created_by=caller,
            )
        return _answer_with_secret(request, made, status.HTTP_201_CREATED)


class WebhookDetailView(SparseFields, APIView):
    """One webhook."""

    sparse_serializer = WebhookSerializer
    scopes = {
        "GET": TokenScope.REPO_ADMIN,
        "PATCH": TokenScope.REPO_ADMIN,
        "DELETE": TokenScope.REPO_ADMIN,
    }

    @describe_operation(
        "webhooks_get",
        refused=(_UNKNOWN,),
        parameters=[_NUMBER],
        tags=_TAGS,
        responses=WebhookSerializer,
        summary="Show a webhook.",
    )
    def get(self, request: Request, number: int) -> Response:
        """Where it leads, what it hears of, and whether its receiver fails."""
        return Response(self.keep_fields(request, WebhookSerializer(_find_webhook(request, number))).data)

    @describe_operation(
        "webhooks_change",
        refused=(_UNKNOWN, INVALID),
        parameters=[_NUMBER],
        tags=_TAGS,
        request=WebhookChangeSerializer,
        responses=WebhookSerializer,
        summary="Change a webhook.",
    )
    def patch(self, request: Request, number: int) -> Response:
        """Another address or other topics hold for what happens from now on."""
        webhook = _find_webhook(request, number)
        # With the row, whose repo says which topics it hears of.
        wanted = WebhookChangeSerializer(webhook, data=request.data, partial=True)
        wanted.is_valid(raise_exception=True)
        with audit.act_as(caller_of(request).name):
            changed = wanted.save()
        return Response(WebhookSerializer(changed).data)

    @describe_operation(
        "webhooks_delete",
        refused=(_UNKNOWN,),
        parameters=[_NUMBER],
        tags=_TAGS,
        responses={204: None},
        summary="Remove a webhook.",
    )
    def delete(self, request: Request, number: int) -> Response:
        """204; what was written for it and not sent yet is given up."""
        webhook = _find_webhook(request, number)
        with audit.act_as(caller_of(request).name):
            webhook.delete()
        return Response(status=status.HTTP_204_NO_CONTENT)


class WebhookTestView(APIView):
    """Tests the way to a webhook."""

    scopes = {"POST": TokenScope.REPO_ADMIN}

    @describe_operation(
        "webhooks_test",
        refused=(_UNKNOWN,),
        parameters=[_NUMBER],
        tags=_TAGS,
        request=None,
        responses={202: DeliverySerializer},
        summary="Send a test message.",
    )
    def post(self, request: Request, number: int) -> Response:
        """202: a message of the type `webhook.test` is on its way; its log is under `Location`."""
        message = write_test(_find_webhook(request, number), actor=caller_of(request).name)
        return _answer_accepted(request, message)


class WebhookSecretView(APIView):
    """Gives a webhook another secret."""

    scopes = {"POST": TokenScope.REPO_ADMIN}

    @describe_operation(
        "webhooks_rotate",
        refused=(_UNKNOWN,),
        parameters=[_NUMBER],
        tags=_TAGS,
        request=None,
        responses=CreatedWebhookSerializer,
        summary="Rotate the secret of a webhook without downtime.",
    )
    def post(self, request: Request, number: int) -> Response:
        """200 with the new secret. For a day each request carries the signatures of both."""
        webhook = _find_webhook(request, number)
        rotate_secret(webhook)
        return _answer_with_secret(request, webhook, status.HTTP_200_OK)


class DeliveryListView(SparseListView[Notification]):
    """The log of a webhook."""

    scopes = {"GET": TokenScope.REPO_ADMIN}
    sparse_serializer = DeliverySerializer
    queryset = Notification.objects.all()
    serializer_class = DeliverySerializer
    filter_backends = [StrictFilterBackend]
    filterset_class = DeliveryFilter
    pagination_class = NewestFirstPagination

    @describe_operation(
        "webhooks_deliveries_list",
        refused=(_UNKNOWN,),
        parameters=[_NUMBER],
        tags=_TAGS,
        responses=DeliverySerializer(many=True),
        summary="List the messages of a webhook, newest first.",
    )
    def get(self, request: Request, number: int) -> Response:
        """A page of messages of the last 30 days."""
        rows = self.get_queryset().filter(subscription=_find_webhook(request, number))
        return self.answer_page(request, self.filter_queryset(rows))


class DeliveryDetailView(SparseFields, APIView):
    """One message of a webhook."""

    scopes = {"GET": TokenScope.REPO_ADMIN}
    sparse_serializer = DeliveryDetailSerializer

    @describe_operation(
        "webhooks_deliveries_get",
        refused=(_UNKNOWN, _UNKNOWN_DELIVERY),
        parameters=[_NUMBER, _DELIVERY_NUMBER],
        tags=_TAGS,
        responses=DeliveryDetailSerializer,
        summary="Show a message with its body and each attempt to send it.",
    )
    def get(self, request: Request, number: int, delivery_number: int) -> Response:
        """What was sent, what the receiver answered, and how long it took."""
        found = DeliveryDetailSerializer(_find_delivery(request, number, delivery_number))
        return Response(self.keep_fields(request, found).data)


class DeliveryReplayView(APIView):
    """Sends one message once more."""

    scopes = {"POST": TokenScope.REPO_ADMIN}

    @describe_operation(
        "webhooks_deliveries_replay",
        refused=(_UNKNOWN, _UNKNOWN_DELIVERY, _STILL_WAITING),
        parameters=[_NUMBER, _DELIVERY_NUMBER],
        tags=_TAGS,
        request=None,
        responses={202: DeliverySerializer},
        summary="Send a message once more, under the same id.",
    )
    def post(self, request: Request, number: int, delivery_number: int) -> Response:
        """202. A receiver that keeps the ids that it has seen drops it; one that lost it acts."""
        message = _find_delivery(request, number, delivery_number)
        if not delivery.replay(message):
            raise Problem(
                409,
                "notify:still-waiting",
                "This message was not sent yet, so it is sent anyway.",
                cure="Wait; its log shows each attempt.",
            )
        return _answer_accepted(request, message)


class WebhookReplayView(APIView):
    """Sends many messages once more."""

    scopes = {"POST": TokenScope.REPO_ADMIN}

    @describe_operation(
        "webhooks_replay",
        refused=(_UNKNOWN, INVALID),
        parameters=[_NUMBER],
        tags=_TAGS,
        request=ReplayRequestSerializer,
        responses={202: ReplayedSerializer},
        summary="Send the messages since a time once more.",
    )
    def post(self, request: Request, number: int) -> Response:
        """202: at most 500, the oldest first; `more` says whether there are others."""
        webhook = _find_webhook(request, number)
        given = read_valid(ReplayRequestSerializer, request)
        rows = Notification.objects.filter(
            subscription=webhook,
            status=given["status"],
            created_at__gte=given["since"],
        ).order_by("id")
        chosen = list(rows[: _MOST_REPLAYED + 1])
        replayed = sum(delivery.replay(one) for one in chosen[:_MOST_REPLAYED])
        found = {"replayed": replayed, "more": len(chosen) > _MOST_REPLAYED}
        headers = {"Location": build_url(request, f"/api/v1/webhooks/{webhook.pk}/deliveries/")}
        return Response(ReplayedSerializer(found).data, status=status.HTTP_202_ACCEPTED, headers=headers)


def _answer_with_secret(request: Request, webhook: Subscription, code: int) -> Response:
    shown = CreatedWebhookSerializer(webhook).data
    place = build_url(request, f"/api/v1/webhooks/{webhook.pk}/")
    headers = {"Location": place, "Cache-Control": "no-store"}
    return Response(shown, status=code, headers=headers)


def _answer_accepted(request: Request, message: Notification) -> Response:
    # Read again: the delivery after the commit may have sent it already.
    message.refresh_from_db()
    place = build_url(request, f"/api/v1/webhooks/{message.subscription_id}/deliveries/{message.pk}/")
    return Response(
        DeliverySerializer(message).data, status=status.HTTP_202_ACCEPTED, headers={"Location": place}
    )


def _webhooks_within_reach(request: Request) -> QuerySet[Subscription]:
    rows = Subscription.objects.filter(notifier="webhook").select_related("repo")
    return limit_to_reach(request, rows)


def _find_webhook(request: Request, number: int) -> Subscription:
    found = _webhooks_within_reach(request).filter(pk=number).first()
    if found is None:
        # A foreign webhook and none are answered alike.
        raise Problem(
            404,
            "notify:unknown-webhook",
            f"There is no webhook {number} within your reach.",
            cure="`GET /api/v1/webhooks/` lists yours.",
        )
    return found


def _find_delivery(request: Request, number: int, delivery_number: int) -> Notification:
    rows = Notification.objects.filter(subscription=_find_webhook(request, number), pk=delivery_number)
    found = rows.first()
    if found is None:
        raise Problem(
            404,
            "notify:unknown-delivery",
            f"The webhook {number} has no message {delivery_number}.",
            cure=f"`GET /api/v1/webhooks/{number}/deliveries/` lists those of the last 30 days.",
        )
    return found
