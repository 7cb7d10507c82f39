"""The tests of the chain from an alert to its receivers, as they ended."""

from django.db import models
from django.db.models.functions import Now


class AlertTestResult(models.Model):
    """One test of one alert.

    ``receivers`` are those that accepted it, after ``seconds``; ``error`` says what a failed test said. Rows
    are added, never changed: the newest counts.
    """

    name = models.CharField(max_length=100)
    receivers = models.JSONField(default=list, db_default=[])
    seconds = models.FloatField(null=True, blank=True)
    # Kept also where it failed: the newest result counts, not the newest success.
    error = models.TextField(blank=True, default="", db_default="")
    requested_by = models.CharField(max_length=150, blank=True, default="", db_default="")
    created_at = models.DateTimeField(auto_now_add=True, db_default=Now())

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["name", "-id"], name="alert_test_newest")]

    def __str__(self) -> str:
        return f"{self.name}: {self.error or 'accepted'}"
