"""A repo owner's request to have a repo enabled."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from orchestrator.repos.models import REPO_NAME, Repo


class OnboardingStatus(models.TextChoices):
    """Where a request stands."""

    REQUESTED = "requested"
    APPROVED = "approved"
    REJECTED = "rejected"


class OnboardingRequest(models.Model):
    """What the form asks: repo, domain, team lead."""

    repo_name = models.CharField(max_length=100, validators=[REPO_NAME])
    domain = models.CharField(max_length=100)
    team_lead = models.EmailField()
    clone_url = models.CharField(max_length=500, blank=True, default="", db_default="")
    status = models.CharField(
        max_length=10,
        choices=OnboardingStatus,
        default=OnboardingStatus.REQUESTED,
        db_default=OnboardingStatus.REQUESTED,
    )
    repo = models.ForeignKey(
        Repo, on_delete=models.SET_NULL, null=True, blank=True, related_name="onboarding_requests"
    )
    decided_by = models.CharField(max_length=150, blank=True, default="", db_default="")
    decided_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True, db_default=Now())

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(status__in=OnboardingStatus.values), name="onboarding_status_known"
            ),
            models.UniqueConstraint(
                # A partial index: a repo may be asked for again after it was rejected.
                fields=["repo_name"],
                condition=Q(status="requested"),
                name="onboarding_one_open_per_repo",
            ),
            models.CheckConstraint(
                # It also refuses the SET_NULL above: the repo of an approved request cannot be deleted.
                condition=~Q(status="approved") | Q(repo__isnull=False),
                name="onboarding_approved_has_repo",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.repo_name}: {self.status}"
