"""Messages for the operators: what was sent to whom, what was given up, what people want, what is said."""

from typing import Any, Final

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from unfold.admin import ModelAdmin
from unfold.decorators import action
from unfold.widgets import UnfoldAdminSelectWidget

from orchestrator.core.admin import KeysetAdmin, ReadOnlyTabularInline
from orchestrator.ops.notifications import message_templates
from orchestrator.ops.notifications.delivery import replay, send_again
from orchestrator.ops.notifications.models import (
    DeadLetter,
    DeliveryAttempt,
    Notification,
    NotificationStatus,
    Subscription,
    Topic,
)
from orchestrator.ops.notifications.notifier_protocol import NOTIFIERS
from orchestrator.ops.notifications.subscriptions import write_test
from orchestrator.ops.notifications.webhook_secret import read_secret

_NEWEST: Final = 10_000


class AttemptsOfNotification(ReadOnlyTabularInline):
    """Each time that the message was sent, or was tried to be."""

    model = DeliveryAttempt
    fields = readonly_fields = ["created_at", "accepted", "result", "duration_ms"]
    verbose_name_plural = "attempts at delivery"


class NotifierFilter(admin.SimpleListFilter):
    """By notifier: those there are, and not those that were used, for which every row would be read."""

    title = parameter_name = "notifier"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:  # noqa: ARG002
        """The notifiers."""
        return [(name, name) for name in NOTIFIERS]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:  # noqa: ARG002
        """The messages of the chosen one."""
        return queryset.filter(notifier=self.value()) if self.value() else queryset


@admin.register(Notification)
class NotificationAdmin(KeysetAdmin):
    """Messages to people."""

    list_display = [
        "created_at",
        "notifier",
        "target",
        "severity",
        "subject",
        "status",
        "attempts",
        "error_message",
    ]
    list_filter = ["status", NotifierFilter, "severity"]
    search_fields = ["target", "subject", "body", "created_by"]
    search_help_text = "An address, a name, or words of the newest 10,000 messages"
    actions = ["send_again", "replay"]
    inlines = [AttemptsOfNotification]
    actions_list = ["show_templates"]

    def find_rows(self, rows: QuerySet[Notification], words: str) -> QuerySet[Notification]:
        """Those of the newest that have the words anywhere: no index helps to find them."""
        ids = Notification.objects.order_by("-pk").values_list("pk", flat=True)
        oldest = ids[_NEWEST : _NEWEST + 1].first() or 0
        found = Q()
        for field in self.search_fields:
            found |= Q(**{f"{field}__icontains": words})
        return rows.filter(found, pk__gt=oldest)

    def has_send_permission(self, request: HttpRequest) -> bool:
        """People who may change notifications."""
        return request.user.has_perm("notifications.change_notification")

    @admin.action(description="Send again what was given up", permissions=["send"])
    def send_again(self, request: HttpRequest, queryset: QuerySet[Notification]) -> None:
        """Send the chosen messages again; others than given up ones are left alone and counted."""
        chosen: list[Any] = list(queryset)
        sent = sum(send_again(one) for one in chosen)
        messages.info(request, f"{sent} of {len(chosen)} are sent again; the others were not given up.")

    @admin.action(description="Replay webhooks, also those that were accepted", permissions=["send"])
    def replay(self, request: HttpRequest, queryset: QuerySet[Notification]) -> None:
        """Send the chosen webhooks once more, under their old ids; other messages are left alone."""
        chosen: list[Any] = list(queryset)
        sent = sum(replay(one) for one in chosen if one.notifier == "webhook")
        messages.info(request, f"{sent} of {len(chosen)} are sent once more.")

    @action(description="Message templates", url_path="templates")  # type: ignore[untyped-decorator]
    def show_templates(self, request: HttpRequest) -> HttpResponse:
        """Every template as it reads with its example."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        shown = [
            (template, message_templates.render_template(template.name, template.example))
            for template in message_templates.list_templates()
        ]
        context = {**self.admin_site.each_context(request), "title": "Message templates", "shown": shown}
        return TemplateResponse(request, "admin/notifications/message_templates.html", context)


@admin.register(DeadLetter)
class DeadLetterAdmin(NotificationAdmin):
    """Messages that were given up, with the reason and the cure."""

    list_display = ["created_at", "notifier", "target", "subject", "attempts", "error_message", "error_cure"]
    list_filter = [NotifierFilter]
    # A filter would read all rows for the codes there are.
    search_fields = [*NotificationAdmin.search_fields, "error_code"]
    actions_list: list[str] = []

    def get_queryset(self, request: HttpRequest) -> QuerySet[Notification]:
        """Only what was given up."""
        rows: QuerySet[Notification] = super().get_queryset(request)
        return rows.filter(status=NotificationStatus.GIVEN_UP)


class SubscriptionForm(forms.ModelForm):  # type: ignore[type-arg]  # Django has no generics at run time
    """A subscription, with what there is to choose from."""

    notifier = forms.ChoiceField(choices=[(name, name) for name in NOTIFIERS], widget=UnfoldAdminSelectWidget)
    topics = forms.MultipleChoiceField(choices=Topic.choices, widget=forms.CheckboxSelectMultiple)

    class Meta:
        model = Subscription
        fields = [
            "notifier",
            "target",
            "repo",
            "person",
            "topics",
            "quiet_from",
            "quiet_until",
            "time_zone",
            "is_active",
        ]


@admin.register(Subscription)
class SubscriptionAdmin(ModelAdmin):  # type: ignore[misc]  # unfold has no types
    """Who wants to hear of what, where, and when not."""

    form = SubscriptionForm
    list_display = [
        "notifier",
        "target",
        "repo",
        "person",
        "topics",
        "quiet_from",
        "quiet_until",
        "is_active",
    ]
    list_filter = ["notifier", "is_active", "repo"]
    list_select_related = ["repo", "person"]
    search_fields = ["target", "repo__name", "person__username"]
    readonly_fields = ["secret", "failures", "rests_until"]
    actions = ["send_test"]

    @admin.display(description="secret of the webhook")
    def secret(self, subscription: Subscription) -> str:
        """What the receiver checks signatures with."""
        if subscription.pk is None or subscription.notifier != "webhook":
            return "-"
        return read_secret(subscription)

    @admin.action(description="Send a test to webhooks", permissions=["change"])
    def send_test(self, request: HttpRequest, queryset: QuerySet[Subscription]) -> None:
        """Write a test message for each chosen webhook."""
        webhooks: list[Any] = list(queryset.filter(notifier="webhook"))
        for webhook in webhooks:
            write_test(webhook, actor=request.user.get_username())
        messages.info(request, f"{len(webhooks)} tests are on their way; see the notifications.")

    def save_model(self, request: HttpRequest, obj: Subscription, form: Any, change: bool) -> None:
        """Write down who made it."""
        if not change:
            obj.created_by = request.user.get_username()
        super().save_model(request, obj, form, change)
