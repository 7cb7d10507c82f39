"""The tables of messages to people, see ``delivery``, and of who wants which, see ``subscriptions``."""

import uuid
import zoneinfo
from collections.abc import Iterable

from django.conf import settings
from django.contrib.postgres.functions import RandomUUID
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now


class NotificationStatus(models.TextChoices):
    """Where a message stands."""

    WAITING = "waiting"
    SENDING = "sending"
    SENT = "sent"
    GIVEN_UP = "given_up"


class Severity(models.TextChoices):
    """How urgent a message is. P1 is sent at any hour, and no throttle holds it up."""

    # The names are stored and sent to receivers, so they stay as they are.
    P1 = "P1"
    P2 = "P2"
    P3 = "P3"
    P4 = "P4"
    INFO = "info"


class PageAction(models.TextChoices):
    """What a message does at a receiver that keeps incidents of its own, as PagerDuty does."""

    TRIGGER = "trigger"
    ACKNOWLEDGE = "acknowledge"
    RESOLVE = "resolve"


class Topic(models.TextChoices):
    """What people can subscribe to; also the ``type`` of a webhook."""

    FLOW_PASSED = "flow.passed"
    FLOW_FAILED = "flow.failed"
    FLOW_CANCELLED = "flow.cancelled"
    BLOCK_SEALED = "block.sealed"
    GATE_PASSED = "gate.passed"
    GATE_FAILED = "gate.failed"
    INCIDENT_OPENED = "incident.opened"
    INCIDENT_ACKNOWLEDGED = "incident.acknowledged"
    INCIDENT_RESOLVED = "incident.resolved"
    ROLLBACK_STARTED = "rollback.started"
    ROLLBACK_ENDED = "rollback.ended"
    ONBOARDING_REQUESTED = "onboarding.requested"
    ONBOARDING_APPROVED = "onboarding.approved"
    ONBOARDING_REJECTED = "onboarding.rejected"
    REPORT_DAILY = "report.daily"
    REPORT_WEEKLY = "report.weekly"
    REPORT_SOAK = "report.soak"
    REPORT_ROLLOUT = "report.rollout"


# Those that concern the organisation; a subscription of one repo would never be told.
_TOPICS_OF_NO_REPO = frozenset(
    {
        Topic.ONBOARDING_REQUESTED,
        Topic.ONBOARDING_REJECTED,
        Topic.REPORT_WEEKLY,
        Topic.REPORT_SOAK,
        Topic.REPORT_ROLLOUT,
    }
)


class Notification(models.Model):
    """One message to one receiver.

    ``key`` goes to the far side with the message, so that a message which is sent again can be told from a
    new one. ``sending_since`` is the claim of the worker that sends it. ``receipt`` is the far side's own
    name for the message. Before ``not_before`` nobody sends it: quiet hours, or a channel that has its fill.
    Messages of one ``thread`` are about the same thing; a pager joins them, and ``action`` says what this one
    does there.
    ``subscription`` is whose wish it was; empty where it was addressed by hand.
    """

    key = models.UUIDField(default=uuid.uuid4, db_default=RandomUUID(), unique=True, editable=False)
    notifier = models.CharField(max_length=20)
    # The longest address of a mail (RFC 5321).
    target = models.CharField(max_length=254)
    subject = models.CharField(max_length=200, blank=True, default="", db_default="")
    body = models.TextField()
    severity = models.CharField(
        max_length=4, choices=Severity, default=Severity.INFO, db_default=Severity.INFO
    )
    subscription = models.ForeignKey(
        "Subscription", on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    thread = models.CharField(max_length=100, blank=True, default="", db_default="")
    action = models.CharField(
        max_length=11, choices=PageAction, default=PageAction.TRIGGER, db_default=PageAction.TRIGGER
    )
    not_before = models.DateTimeField(null=True, blank=True)
    status = models.CharField(
        max_length=10,
        choices=NotificationStatus,
        default=NotificationStatus.WAITING,
        db_default=NotificationStatus.WAITING,
    )
    attempts = models.PositiveSmallIntegerField(default=0, db_default=0)
    sending_since = models.DateTimeField(null=True, blank=True)
    receipt = models.CharField(max_length=200, blank=True, default="", db_default="")
    error_code = models.CharField(max_length=100, blank=True, default="", db_default="")
    error_message = models.TextField(blank=True, default="", db_default="")
    error_cure = models.TextField(blank=True, default="", db_default="")
    created_by = models.CharField(max_length=150, blank=True, default="", db_default="")
    created_at = models.DateTimeField(auto_now_add=True, db_default=Now())
    sent_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        indexes = [
            # The throttle counts what a channel got lately.
            models.Index(fields=["notifier", "target", "sent_at"], name="notification_channel_sent"),
            # Whose turn it is among webhooks is asked before each. Partial: nearly all rows are done with.
            models.Index(
                fields=["notifier", "subscription", "id"],
                condition=Q(status__in=["waiting", "sending"]),
                name="notification_unfinished",
            ),
            # What nobody got, for the lists of operators. Partial: nearly all rows are sent.
            models.Index(fields=["-id"], condition=Q(status="given_up"), name="notification_given_up"),
            # What was said of an incident. Partial: most messages are about nothing else.
            models.Index(fields=["thread"], condition=~Q(thread=""), name="notification_thread"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(status__in=NotificationStatus.values), name="notification_status_known"
            ),
            models.CheckConstraint(
                condition=Q(action__in=PageAction.values), name="notification_action_known"
            ),
            models.CheckConstraint(
                condition=Q(status="sending", sending_since__isnull=False)
                | (~Q(status="sending") & Q(sending_since__isnull=True)),
                name="notification_sending_is_claimed",
            ),
            models.CheckConstraint(
                condition=Q(status="sent", sent_at__isnull=False)
                | (~Q(status="sent") & Q(sent_at__isnull=True)),
                name="notification_sent_has_time",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.notifier} to {self.target}: {self.status}"


class DeliveryAttempt(models.Model):
    """One time that a message was sent: what the far side answered, and how long it took."""

    notification = models.ForeignKey(Notification, on_delete=models.CASCADE, related_name="tries")
    created_at = models.DateTimeField(auto_now_add=True, db_default=Now())
    duration_ms = models.PositiveIntegerField()
    accepted = models.BooleanField()
    # Long enough for a status line and the beginning of an answer, too short for a page.
    result = models.CharField(max_length=300)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.created_at:%Y-%m-%d %H:%M:%S}: {self.result}"


class DeadLetter(Notification):
    """A message that was given up, as the admin lists it."""

    class Meta:
        proxy = True


def validate_topics(value: object) -> None:
    """Refuse what is not a list of topics."""
    if not isinstance(value, list) or not value or not set(map(str, value)) <= set(Topic.values):
        raise ValidationError(f"Name at least one of: {', '.join(Topic.values)}.", code="topics")


def validate_topics_of_repo(topics: Iterable[str]) -> None:
    """Refuse a topic that one repo would never hear of, because it concerns no single one."""
    never = sorted(_TOPICS_OF_NO_REPO.intersection(topics))
    if never:
        raise ValidationError(
            f"One repo never hears of {', '.join(never)}; leave it out, or name no repo to hear of all.",
            code="topics",
        )


def validate_time_zone(value: str) -> None:
    """Refuse a name that the time zone database does not have."""
    if value not in zoneinfo.available_timezones():
        raise ValidationError(f"{value!r} is not a time zone; use one such as Europe/Berlin.", code="zone")


class TopicsField(models.JSONField):
    """Topics as a JSON list. Migrations see plain JSON and import no code of the product."""

    default_validators = [validate_topics]

    def deconstruct(self) -> tuple[str, str, list[object], dict[str, object]]:
        """What a migration writes down: the column, without what checks it."""
        name, _, args, kwargs = super().deconstruct()
        return name, "django.db.models.JSONField", list(args), dict(kwargs)


class TimeZoneField(models.CharField):  # type: ignore[type-arg]  # Django has no generics at run time
    """The name of a time zone. Migrations see plain text."""

    default_validators = [validate_time_zone]

    def deconstruct(self) -> tuple[str, str, list[object], dict[str, object]]:
        """What a migration writes down: the column, without what checks it."""
        name, _, args, kwargs = super().deconstruct()
        return name, "django.db.models.CharField", list(args), dict(kwargs)


class Subscription(models.Model):
    """Somebody's wish to hear of a repo (of all, where none is named) through one channel.

    ``person`` is whose preference it is; empty for a team's channel or a machine. Between ``quiet_from`` and
    ``quiet_until``, in ``time_zone``, messages wait, except those of P1.

    The secret of a webhook follows from ``secret_key``, and from ``key`` until it is rotated; that of
    ``previous_secret_key`` signs beside it until ``previous_secret_until``. A webhook whose receiver has
    failed ``failures`` times in a row, or is slow, is left alone until ``rests_until``.
    """

    key = models.UUIDField(default=uuid.uuid4, db_default=RandomUUID(), unique=True, editable=False)
    repo = models.ForeignKey(
        "repos.Repo", on_delete=models.CASCADE, null=True, blank=True, related_name="subscriptions"
    )
    person = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True, blank=True, related_name="+"
    )
    notifier = models.CharField(max_length=20)
    target = models.CharField(max_length=254)
    topics = TopicsField(default=list, db_default=[])
    quiet_from = models.TimeField(null=True, blank=True)
    quiet_until = models.TimeField(null=True, blank=True)
    time_zone = TimeZoneField(max_length=64, default="UTC", db_default="UTC")
    is_active = models.BooleanField(default=True, db_default=True)
    secret_key = models.UUIDField(null=True, blank=True, editable=False)
    previous_secret_key = models.UUIDField(null=True, blank=True, editable=False)
    previous_secret_until = models.DateTimeField(null=True, blank=True, editable=False)
    failures = models.PositiveSmallIntegerField(default=0, db_default=0, editable=False)
    rests_until = models.DateTimeField(null=True, blank=True, editable=False)
    created_by = models.CharField(max_length=150, blank=True, default="", db_default="")
    created_at = models.DateTimeField(auto_now_add=True, db_default=Now())

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(quiet_from__isnull=True, quiet_until__isnull=True)
                | Q(quiet_from__isnull=False, quiet_until__isnull=False),
                name="subscription_quiet_hours_have_both_ends",
                violation_error_message="Give both ends of the quiet hours, or none.",
            )
        ]

    def __str__(self) -> str:
        return f"{self.notifier} {self.target} ({self.repo or 'all repos'})"

    def clean(self) -> None:
        """Refuse a topic that would never come."""
        if self.repo_id is not None:
            try:
                validate_topics_of_repo(self.topics)
            except ValidationError as error:
                raise ValidationError({"topics": error}) from error
