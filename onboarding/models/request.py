"""A repo owner's request to have a repo enabled."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from onboarding.models.states import REQUEST_OPEN, OnboardingStatus
from orchestrator.repos.models import REPO_NAME, CloneUrlField, Phase, Repo


class CodeHostKind(models.TextChoices):
    """What the repo is stored at."""

    GITHUB = "github", "GitHub"
    GITLAB = "gitlab", "GitLab"


class CiSystem(models.TextChoices):
    """What runs the repo's jobs."""

    GITHUB_ACTIONS = "github_actions", "GitHub Actions"
    GITLAB_CI = "gitlab_ci", "GitLab CI"


class CiCredentials(models.TextChoices):
    """How jobs of the repo prove who they are: by a stored token, or by a trust rule and no secret."""

    SECRET = "secret", "a secret in CI"
    KEYLESS = "keyless", "keyless (OIDC)"


class OnboardingRequest(models.Model):
    """One repo that is to be enabled: who asked, where the repo is, how far it is.

    ``reference`` is what people type; the database makes it. ``repo_name`` is our short name, and
    ``code_host_path`` the code host's, as ``owner/name``. ``wanted_on`` is the day before which it is not
    begun; ``planned_for`` the day on which its turn comes as things stand; ``provisioned_on`` the day whose
    limit it has counted for. Only ``engine`` and ``rollout`` write these rows.
    """

    reference = models.CharField(max_length=12, unique=True)
    repo_name = models.CharField(max_length=100, validators=[REPO_NAME])
    code_host = models.CharField(
        max_length=10, choices=CodeHostKind, default=CodeHostKind.GITHUB, db_default=CodeHostKind.GITHUB
    )
    code_host_path = models.CharField(max_length=255, blank=True, default="", db_default="")
    clone_url = CloneUrlField(max_length=500, blank=True, default="", db_default="")
    # The column has its first name: code of the release before writes it.
    block_family = models.CharField(max_length=100, db_column="domain")
    team_lead = models.EmailField()
    ci_system = models.CharField(
        max_length=20, choices=CiSystem, default=CiSystem.GITHUB_ACTIONS, db_default=CiSystem.GITHUB_ACTIONS
    )
    ci_credentials = models.CharField(
        max_length=10, choices=CiCredentials, default=CiCredentials.SECRET, db_default=CiCredentials.SECRET
    )
    clones_privately = models.BooleanField(default=False, db_default=False)
    # Empty where a token of REST has asked.
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    # A name, an address or a token, for people; no right follows from it.
    requested_from = models.CharField(max_length=254, blank=True, default="", db_default="")
    phase = models.CharField(max_length=10, choices=Phase, default=Phase.ORG, db_default=Phase.ORG)
    wanted_on = models.DateField(null=True, blank=True)
    planned_for = models.DateField(null=True, blank=True)
    provisioned_on = models.DateField(null=True, blank=True)
    status = models.CharField(
        max_length=15,
        choices=OnboardingStatus,
        default=OnboardingStatus.CHECKING,
        db_default=OnboardingStatus.CHECKING,
    )
    repo = models.ForeignKey(
        Repo, on_delete=models.SET_NULL, null=True, blank=True, related_name="onboarding_requests"
    )
    # Of REST: the same key and body give the same request.
    idempotency_key = models.CharField(max_length=255, blank=True, default="", db_default="", editable=False)
    body_digest = models.CharField(max_length=64, blank=True, default="", db_default="", editable=False)
    # Who said yes or no for the team, and why where it was on somebody's behalf.
    decided_by = models.CharField(max_length=150, blank=True, default="", db_default="")
    decided_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True, db_default=Now())
    queued_at = models.DateTimeField(null=True, blank=True)
    ready_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        indexes = [
            # The line of those that wait for their day, and those that have counted for one.
            models.Index(fields=["queued_at", "id"], condition=Q(status="queued"), name="onboarding_line"),
            models.Index(fields=["provisioned_on"], name="onboarding_provisioned_on"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(status__in=OnboardingStatus.values), name="onboarding_status_is_known"
            ),
            models.CheckConstraint(
                condition=Q(code_host__in=CodeHostKind.values), name="onboarding_code_host_known"
            ),
            models.CheckConstraint(condition=Q(ci_system__in=CiSystem.values), name="onboarding_ci_known"),
            models.CheckConstraint(
                condition=Q(ci_credentials__in=CiCredentials.values), name="onboarding_ci_credentials_known"
            ),
            models.CheckConstraint(condition=Q(phase__in=Phase.values), name="onboarding_phase_known"),
            models.UniqueConstraint(
                # A partial index: a repo may be asked for again after it was rejected or offboarded.
                fields=["repo_name"],
                condition=Q(status__in=REQUEST_OPEN),
                name="onboarding_one_unfinished_per_repo",
            ),
            models.UniqueConstraint(
                fields=["requested_from", "idempotency_key"],
                condition=~Q(idempotency_key=""),
                name="onboarding_asked_once_per_key",
            ),
            models.CheckConstraint(
                # It also refuses the SET_NULL above: the repo of a request that is ready cannot be deleted.
                condition=~Q(status="ready") | Q(repo__isnull=False),
                name="onboarding_ready_has_repo",
            ),
            models.CheckConstraint(
                condition=~Q(status__in=["provisioning", "queued"]) | Q(decided_at__isnull=False),
                name="onboarding_goes_on_after_a_yes",
            ),
            models.CheckConstraint(
                condition=~Q(status="provisioning") | Q(provisioned_on__isnull=False),
                name="onboarding_provisioned_counts_for_a_day",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.repo_name}: {self.status}"


class OnboardingEvent(models.Model):
    """One line of a request's timeline: what happened, who did it, and why."""

    request = models.ForeignKey(OnboardingRequest, on_delete=models.CASCADE, related_name="events")
    kind = models.CharField(max_length=30)
    actor = models.CharField(max_length=150, blank=True, default="", db_default="")
    text = models.TextField(blank=True, default="", db_default="")
    created_at = models.DateTimeField(auto_now_add=True, db_default=Now())

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.request_id}: {self.kind}"
