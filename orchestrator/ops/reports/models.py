"""Reports as they were written, which nobody changes, and what people said for them."""

from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now


class Report(models.Model):
    """The report of a period that was over when it was written, of one repo or of all (``repo`` empty).

    ``content`` is a ``ReportDocument``, ``digest`` its SHA-256. A trigger refuses every change.
    """

    kind = models.CharField(max_length=20)
    # A name and no foreign key: the report stays when its repo is renamed or removed.
    repo = models.CharField(max_length=100, blank=True, default="", db_default="")
    first = models.DateField()
    last = models.DateField()
    content = models.JSONField()
    digest = models.CharField(max_length=64)
    created_at = models.DateTimeField(auto_now_add=True, db_default=Now())

    class Meta:
        ordering = ["-last", "kind", "repo"]
        constraints = [
            models.UniqueConstraint(fields=["kind", "repo", "first", "last"], name="report_once"),
            models.CheckConstraint(condition=Q(first__lte=F("last")), name="report_period_in_order"),
        ]
        # The schedule asks for the newest report of a kind.
        indexes = [models.Index(fields=["kind", "repo", "-last"], name="report_newest")]

    def __str__(self) -> str:
        return f"{self.kind} {self.first} to {self.last} ({self.repo or 'all repos'})"


class FigureAnswer(models.Model):
    """What a person said of a figure that nothing in the system can say, with where it is from.

    ``key`` is one of ``asked.ASKED``. Rows are added, never changed: the newest of a day counts.
    """

    key = models.CharField(max_length=40)
    day = models.DateField()
    # Decimal: a person typed it, and it is shown as it was typed.
    value = models.DecimalField(max_digits=12, decimal_places=3, validators=[MinValueValidator(0)])
    source = models.CharField(max_length=300)
    person = models.CharField(max_length=150)
    created_at = models.DateTimeField(auto_now_add=True, db_default=Now())

    class Meta:
        ordering = ["-day", "-id"]
        indexes = [models.Index(fields=["key", "-day", "-id"], name="figure_answer_newest")]
        constraints = [
            models.CheckConstraint(condition=Q(value__gte=0), name="figure_answer_not_negative"),
            models.CheckConstraint(condition=~Q(source=""), name="figure_answer_has_source"),
        ]

    def __str__(self) -> str:
        return f"{self.key} on {self.day}: {self.value}"
