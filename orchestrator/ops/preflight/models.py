"""What people answered where the system cannot look for itself."""

from django.db import models
from django.db.models.functions import Now


class PersonAnswer(models.Model):
    """Whether a line of the checklists holds, as a person says. Rows are added; the newest counts.

    ``person`` is who looked, ``recorded_by`` the login or the token that wrote it down.
    """

    # The key and not the words: they may be corrected without losing the answers.
    line = models.CharField(max_length=60)
    # What was looked at before phase 6 has to be looked at again before phase 7.
    phase = models.PositiveSmallIntegerField()
    holds = models.BooleanField()
    person = models.CharField(max_length=120)
    note = models.CharField(max_length=500, blank=True, default="", db_default="")
    recorded_by = models.CharField(max_length=150)
    created_at = models.DateTimeField(auto_now_add=True, db_default=Now())

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["phase", "line", "-id"], name="preflight_answer_newest")]

    def __str__(self) -> str:
        return f"{self.line}: {'yes' if self.holds else 'no'}, {self.person}"
