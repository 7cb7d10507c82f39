"""Who was trained in what, with which result, and what people say of it: the records behind the checklists.

Rows come from CSV files (``csv_import``), REST or the admin. ``standing`` answers the thresholds of the
launch runbook from them.
"""

import uuid

from django.contrib.postgres.functions import RandomUUID
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Lower, Now

REFERENCE = RegexValidator(r"\A[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z", "Use letters, digits, '.', '_' and '-'.")
"""What names a row outside of this system: at most 64 characters."""
LEAST_STARS, MOST_STARS = 1, 5


class OnCallDuty(models.TextChoices):
    """Which part of the on-call rotation somebody has."""

    NONE = "none"
    PRIMARY = "primary"
    SECONDARY = "secondary"
    COMMANDER = "commander"


class SessionKind(models.TextChoices):
    """What people met for."""

    MODULE = "module"
    EXERCISE = "exercise"
    REVIEW = "review"


class FeedbackSubject(models.TextChoices):
    """What an answer is about."""

    TRAINING = "training"
    ORCHESTRATOR = "orchestrator"


class Trainee(models.Model):
    """Somebody who takes part, known by an e-mail address in lower case."""

    # Not an account: most of those who are trained never log in here.
    email = models.EmailField(unique=True)
    name = models.CharField(max_length=120)
    team = models.CharField(max_length=100, blank=True, default="", db_default="")
    duty = models.CharField(
        max_length=10, choices=OnCallDuty, default=OnCallDuty.NONE, db_default=OnCallDuty.NONE
    )
    created_at = models.DateTimeField(auto_now_add=True, db_default=Now())

    class Meta:
        ordering = ["-id"]
        constraints = [
            # Two spellings of one address would be two people, and one of them never certified.
            models.CheckConstraint(condition=Q(email=Lower(F("email"))), name="trainee_email_is_lower"),
            models.CheckConstraint(condition=Q(duty__in=OnCallDuty.values), name="trainee_duty_known"),
        ]

    def __str__(self) -> str:
        return self.name


class TrainingModule(models.Model):
    """One module of the course. A certificate takes a pass in each that is required."""

    # The number is the name: files and the runbook speak of "module 4".
    number = models.PositiveSmallIntegerField(primary_key=True, validators=[MinValueValidator(1)])
    title = models.CharField(max_length=120)
    is_required = models.BooleanField(default=True, db_default=True)

    class Meta:
        ordering = ["number"]

    def __str__(self) -> str:
        return f"{self.number}: {self.title}"


class TrainingSession(models.Model):
    """A meeting: of a module, an exercise of an incident, a review of the runbooks."""

    reference = models.CharField(max_length=64, unique=True, validators=[REFERENCE])
    kind = models.CharField(max_length=10, choices=SessionKind)
    module = models.ForeignKey(
        # PROTECT: a module with sessions is part of what people were certified for.
        TrainingModule,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="sessions",
    )
    held_on = models.DateField()
    recording_url = models.URLField(max_length=500, blank=True, default="", db_default="")
    attendees = models.ManyToManyField(Trainee, blank=True, related_name="sessions")

    class Meta:
        ordering = ["-held_on", "-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(kind="module", module__isnull=False) | (~Q(kind="module") & Q(module=None)),
                name="training_session_of_module_names_it",
                violation_error_message="A session of a module names it, and no other session does.",
            )
        ]

    def __str__(self) -> str:
        return f"{self.reference} on {self.held_on}"


class TrainingScore(models.Model):
    """One result in one module. Who failed may try again on another day; the best result counts."""

    trainee = models.ForeignKey(Trainee, on_delete=models.CASCADE, related_name="scores")
    module = models.ForeignKey(TrainingModule, on_delete=models.PROTECT, related_name="scores")
    taken_on = models.DateField()
    # Whole percents, because a mark of 79.6 that is shown as 80 is not a pass.
    percent = models.PositiveSmallIntegerField(validators=[MaxValueValidator(100)])

    class Meta:
        ordering = ["-taken_on", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["trainee", "module", "taken_on"], name="training_score_one_a_day"
            ),
            models.CheckConstraint(condition=Q(percent__lte=100), name="training_score_is_a_percentage"),
        ]

    def __str__(self) -> str:
        return f"{self.trainee_id} in module {self.module_id}: {self.percent} %"


class Certificate(models.Model):
    """That somebody passed every required module. It stays, also when a module is added later."""

    # One to one: two imports that find the same person write one certificate.
    trainee = models.OneToOneField(Trainee, on_delete=models.CASCADE, related_name="certificate")
    # Random, because it is shown to others and must not tell how many there are.
    number = models.UUIDField(default=uuid.uuid4, db_default=RandomUUID(), unique=True, editable=False)
    issued_at = models.DateTimeField(auto_now_add=True, db_default=Now())
    issued_by = models.CharField(max_length=150, blank=True, default="", db_default="")

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.number}"


class Feedback(models.Model):
    """One answer: 1 to 5 stars. ``reference`` is its name where it was collected, so it counts once."""

    reference = models.CharField(max_length=64, unique=True, validators=[REFERENCE])
    about = models.CharField(max_length=12, choices=FeedbackSubject)
    stars = models.DecimalField(
        max_digits=2,
        decimal_places=1,
        validators=[MinValueValidator(LEAST_STARS), MaxValueValidator(MOST_STARS)],
    )
    # No column for who said it: answers are honest when they are not signed.
    comment = models.TextField(max_length=2000, blank=True, default="", db_default="")
    given_on = models.DateField()

    class Meta:
        ordering = ["-given_on", "-id"]
        verbose_name_plural = "feedback"
        constraints = [
            models.CheckConstraint(
                condition=Q(about__in=FeedbackSubject.values), name="feedback_subject_known"
            ),
            models.CheckConstraint(
                # In the database too: an average with a 50 in it would reach every threshold.
                condition=Q(stars__gte=LEAST_STARS, stars__lte=MOST_STARS),
                name="feedback_stars_in_range",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.reference}: {self.stars}"
