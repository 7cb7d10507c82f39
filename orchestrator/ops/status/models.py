"""What the status page remembers: maintenance, how each day was, the news, and who gets them by mail."""

import uuid
from datetime import timedelta
from typing import Final

from django.contrib.postgres.functions import RandomUUID
from django.db import models
from django.db.models import ExpressionWrapper, F, Q
from django.db.models.functions import Lower, Now

LONGEST_MAINTENANCE: Final = timedelta(hours=24)
"""While maintenance runs, messages of P2 and P3 wait: without a bound they would wait for good."""


class Maintenance(models.Model):
    """Planned work that people may notice, from ``starts_at`` to ``ends_at`` unless it is called off.

    ``silence_id`` is Alertmanager's name for the silence of the same hours; empty before there is one.
    """

    title = models.CharField(max_length=120)
    text = models.TextField(max_length=1000, blank=True, default="", db_default="")
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    # A row that was announced is never deleted: readers of the feed have seen it.
    cancelled_at = models.DateTimeField(null=True, blank=True)
    silence_id = models.CharField(max_length=100, blank=True, default="", db_default="")
    created_by = models.CharField(max_length=150, blank=True, default="", db_default="")
    created_at = models.DateTimeField(auto_now_add=True, db_default=Now())

    class Meta:
        ordering = ["-starts_at"]
        verbose_name_plural = "maintenance"
        constraints = [
            models.CheckConstraint(
                condition=Q(ends_at__gt=F("starts_at")),
                name="maintenance_ends_after_its_start",
                violation_error_message="It ends after its start.",
            ),
            models.CheckConstraint(
                condition=Q(
                    ends_at__lte=ExpressionWrapper(
                        F("starts_at") + LONGEST_MAINTENANCE, output_field=models.DateTimeField()
                    )
                ),
                name="maintenance_has_a_bound",
                violation_error_message="It lasts at most 24 hours; plan a second one where more is needed.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.title}, {self.starts_at:%Y-%m-%d %H:%M} UTC"


class PartDay(models.Model):
    """How a part of the service was on a day: minutes that were looked at, and those that were not good."""

    day = models.DateField()
    part = models.CharField(max_length=60)
    # How many looks there were: a day with few says little, and the page shows it.
    minutes = models.PositiveIntegerField(default=0, db_default=0)
    degraded = models.PositiveIntegerField(default=0, db_default=0)
    down = models.PositiveIntegerField(default=0, db_default=0)
    looked_at = models.DateTimeField()

    class Meta:
        ordering = ["-day", "part"]
        constraints = [models.UniqueConstraint(fields=["day", "part"], name="status_one_row_a_day")]

    def __str__(self) -> str:
        return f"{self.part} on {self.day}"


class StatusNews(models.Model):
    """One entry of the feed. ``key`` says what it is about, so it is written, and mailed, once."""

    # Unique, so of two workers that tell the same, one is refused by the database.
    key = models.CharField(max_length=120, unique=True)
    title = models.CharField(max_length=250)
    body = models.TextField(blank=True, default="", db_default="")
    at = models.DateTimeField()

    class Meta:
        ordering = ["-at", "-id"]
        verbose_name_plural = "status news"
        indexes = [models.Index(fields=["-at", "-id"], name="status_news_newest")]

    def __str__(self) -> str:
        return self.title


class StatusReader(models.Model):
    """Somebody who asked for the news by mail. Before ``confirmed_at`` they get one question and no news.

    ``key`` is in the links of their mails: who reads the mails may confirm and unsubscribe.
    """

    email = models.EmailField(unique=True)
    key = models.UUIDField(default=uuid.uuid4, db_default=RandomUUID(), unique=True, editable=False)
    # When the last question was sent; no address of a machine is kept.
    asked_at = models.DateTimeField(db_default=Now())
    confirmed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(condition=Q(email=Lower(F("email"))), name="status_reader_email_is_lower")
        ]
        indexes = [models.Index(fields=["asked_at"], name="status_reader_asked")]

    def __str__(self) -> str:
        return self.email
