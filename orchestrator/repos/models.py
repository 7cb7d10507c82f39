"""A repository that flows work for: its phase, its settings with their history, its tokens."""

import re
from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from orchestrator.repos import clone_urls
from orchestrator.repos.scopes import EVERYTHING, TokenScope, read_stored_scopes

REPO_NAME = RegexValidator(
    r"^[a-z0-9][a-z0-9._-]{0,99}$", "Use lower-case letters, digits, dots, dashes or underscores."
)

# As GitHub and GitLab allow them: an owner or groups, and a name.
CI_REPOSITORY = RegexValidator(
    r"^[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)+\Z", "Name it as its CI does: owner/name or group/project."
)
MOST_REFS = 20
# Branches and tags only: what is below refs/pull/ and the like is proposed by anybody.
REF_PATTERN = r"^refs/(heads|tags)/[A-Za-z0-9*][A-Za-z0-9._/@+#*-]{0,199}\Z"
_REF = re.compile(REF_PATTERN)


class CloneUrlField(models.CharField):  # type: ignore[type-arg]  # Django has no generics at run time
    """An address to clone from. Migrations see a plain text column and import no code of this project."""

    # A validator of the field, so that form, admin, REST and command all refuse the same addresses.
    default_validators = [clone_urls.validate_clone_url]

    def deconstruct(self) -> tuple[str, str, Sequence[Any], dict[str, Any]]:
        """What a migration writes down: the column, without what checks it."""
        name, _, args, kwargs = super().deconstruct()
        return name, "django.db.models.CharField", args, kwargs


class Phase(models.TextChoices):
    """How far a repo is rolled out."""

    PILOT = "pilot"
    SOAK = "soak"
    ORG = "org"


class Repo(models.Model):
    """A repository. Table and column names are the runbook's: its operators query them by hand."""

    name = models.CharField(max_length=100, unique=True, validators=[REPO_NAME], db_column="repo_name")
    domain = models.CharField(max_length=100, blank=True, default="", db_default="")
    team_lead = models.EmailField(blank=True, default="", db_default="")
    clone_url = CloneUrlField(max_length=500, blank=True, default="", db_default="")
    phase = models.CharField(max_length=10, choices=Phase, default=Phase.ORG, db_default=Phase.ORG)
    enabled = models.BooleanField(default=True, db_default=True)
    paused = models.BooleanField(default=False, db_default=False)
    onboarded_at = models.DateTimeField(auto_now_add=True, db_default=Now())

    class Meta:
        db_table = "repos"
        ordering = ["name"]
        constraints = [models.CheckConstraint(condition=Q(phase__in=Phase.values), name="repo_phase_known")]

    def __str__(self) -> str:
        return self.name

    @property
    def is_enabled(self) -> bool:
        """Enabled here and, where REPO_ALLOWLIST is set, named in it."""
        # Read at each call and not at import, so that tests and a restart with another environment both
        # count.
        allowlist = settings.REPO_ALLOWLIST
        return self.enabled and (not allowlist or self.name in allowlist)


class RepoHalt(models.Model):
    """Why a repo stays switched off: while it has a halt, nobody switches it on, see ``halts``.

    ``key`` names what has halted it, such as ``rollback-7``.
    """

    repo = models.ForeignKey(Repo, on_delete=models.CASCADE, related_name="halts")
    key = models.CharField(max_length=50)
    reason = models.TextField()
    actor = models.CharField(max_length=150)
    created_at = models.DateTimeField(auto_now_add=True, db_default=Now())

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["repo", "key"], name="repo_halted_once_per_key")]

    def __str__(self) -> str:
        return f"{self.repo}: {self.key}"


class OnboardingPause(models.Model):
    """While there is one, no repo outside the pilot is taken; ``key`` names what has paused it."""

    key = models.CharField(max_length=50, unique=True)
    reason = models.TextField()
    actor = models.CharField(max_length=150)
    created_at = models.DateTimeField(auto_now_add=True, db_default=Now())

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return self.key


class RepoSetting(models.Model):
    """One value set for one repo, or for all (``repo`` empty).

    Rows are added, never changed: the newest counts.
    """

    repo = models.ForeignKey(
        Repo, on_delete=models.CASCADE, null=True, blank=True, related_name="setting_rows"
    )
    key = models.CharField(max_length=100)
    value = models.JSONField()
    actor = models.CharField(max_length=150)
    created_at = models.DateTimeField(auto_now_add=True, db_default=Now())

    class Meta:
        ordering = ["-id"]
        # Serves DISTINCT ON (key) newest first: the settings in force are read without a sort.
        indexes = [models.Index(fields=["repo", "key", "-id"], name="repo_setting_newest")]

    def __str__(self) -> str:
        return f"{self.repo or 'all repos'}: {self.key}"


def validate_scopes(value: object) -> None:
    """Refuse what is not a list of scopes."""
    known = {EVERYTHING, *TokenScope}
    if not isinstance(value, list) or not value or not set(map(str, value)) <= known:
        raise ValidationError(f"Name at least one of: {', '.join(TokenScope)}.", code="scopes")


class ScopesField(models.JSONField):
    """Scopes as a JSON list. Migrations see plain JSON and import no code of this project."""

    default_validators = [validate_scopes]

    def deconstruct(self) -> tuple[str, str, Sequence[Any], dict[str, Any]]:
        """What a migration writes down: the column, without what checks it."""
        name, _, args, kwargs = super().deconstruct()
        return name, "django.db.models.JSONField", args, kwargs


class TokenStatus(models.TextChoices):
    """Whether a token can be used. It follows from the two ends that a token may have."""

    LIVE = "live"
    EXPIRED = "expired"
    REVOKED = "revoked"


def validate_refs(value: object) -> None:
    """Refuse what is not a list of whole refs of branches and tags, each perhaps with ``*`` in it."""
    refs = value if isinstance(value, list) else []
    if not 0 < len(refs) <= MOST_REFS or not all(
        isinstance(ref, str) and _REF.fullmatch(ref) for ref in refs
    ):
        raise ValidationError(
            "Name refs of branches or tags in full, such as refs/heads/main or refs/tags/v*.", code="refs"
        )


class RefsField(models.JSONField):
    """Refs as a JSON list. Migrations see plain JSON and import no code of this project."""

    default_validators = [validate_refs]

    def deconstruct(self) -> tuple[str, str, Sequence[Any], dict[str, Any]]:
        """What a migration writes down: the column, without what checks it."""
        name, _, args, kwargs = super().deconstruct()
        return name, "django.db.models.JSONField", args, kwargs


class RepoReadAccess(models.Model):
    """The credential with which a private repo is cloned. ``sealed`` is opened by ``read_access`` alone.

    ``number`` is how the code host knows it: of an installation of the GitHub App, or of a deploy token.
    It is for ``clone_url`` alone: who changes the URL of a repo must not be sent what opens the old one.
    """

    repo = models.OneToOneField(Repo, on_delete=models.CASCADE, related_name="read_access")
    kind = models.CharField(max_length=10)
    number = models.CharField(max_length=50)
    clone_url = models.CharField(max_length=500)
    username = models.CharField(max_length=200)
    sealed = models.BinaryField(editable=False)
    expires_at = models.DateTimeField(null=True, blank=True, db_index=True)
    created_at = models.DateTimeField(auto_now=True, db_default=Now())

    class Meta:
        verbose_name = "read access"
        verbose_name_plural = "read accesses"

    def __str__(self) -> str:
        return f"{self.repo} at {self.kind}"


class CiTrust(models.Model):
    """A repo's word that jobs of a repository on a CI may act for it, without a secret that is stored there.

    ``issuer`` is who signs the OIDC tokens of the jobs. ``repository_id`` is the CI's number of the
    repository, written down at the first exchange. ``refs`` are patterns of branches and tags. An
    ``environment`` that is named must be the job's; empty: any or none.
    """

    repo = models.ForeignKey(Repo, on_delete=models.CASCADE, related_name="ci_trusts")
    issuer = models.CharField(max_length=200)
    repository = models.CharField(max_length=255, validators=[CI_REPOSITORY])
    repository_id = models.CharField(max_length=255, blank=True, default="", db_default="", editable=False)
    refs = RefsField()
    environment = models.CharField(max_length=255, blank=True, default="", db_default="")
    scopes = ScopesField()
    created_by = models.CharField(max_length=150, blank=True, default="", db_default="", editable=False)
    created_at = models.DateTimeField(auto_now_add=True, db_default=Now())

    class Meta:
        ordering = ["-id"]
        verbose_name = "CI trust"
        indexes = [models.Index(fields=["issuer"], name="ci_trust_issuer")]

    def __str__(self) -> str:
        return f"{self.repo} trusts {self.repository}"


class Token(models.Model):
    """An API token, stored as SHA-256 only. Without a repo it is an operator's and reaches every repo.

    ``replaces`` is the token that this one was made for by rotation; both work until the older one expires.
    ``trust`` is what a CI job was given the token by, and ``id_token_digest`` tells which OIDC token it was
    given for.
    """

    name = models.CharField(max_length=100)
    repo = models.ForeignKey(Repo, on_delete=models.CASCADE, null=True, blank=True, related_name="tokens")
    # Unique, so that the look-up of a token is one probe of an index.
    digest = models.CharField(max_length=64, unique=True, editable=False)
    # No default in Python: code that makes a token says what it may do. The database's is for the tokens that
    # were there before scopes, and for those that old code makes while a deployment runs.
    scopes = ScopesField(db_default=[EVERYTHING])
    replaces = models.ForeignKey(
        "self", on_delete=models.SET_NULL, null=True, blank=True, editable=False, related_name="successors"
    )
    # Together with the trust its tokens end.
    trust = models.ForeignKey(
        CiTrust, on_delete=models.CASCADE, null=True, blank=True, editable=False, related_name="tokens"
    )
    # Unique, so that an OIDC token is exchanged once.
    id_token_digest = models.CharField(max_length=64, null=True, blank=True, unique=True, editable=False)
    created_by = models.CharField(max_length=150, blank=True, default="", db_default="", editable=False)
    created_at = models.DateTimeField(auto_now_add=True, db_default=Now())
    expires_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    last_used_from = models.GenericIPAddressField(null=True, blank=True, editable=False)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            # Of two who rotate at the same moment, one is refused. A successor that was revoked does not
            # count, because its secret may have been lost on its way.
            models.UniqueConstraint(
                fields=["replaces"], condition=Q(revoked_at__isnull=True), name="token_replaced_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.repo or 'all repos'})"

    @property
    def is_operator(self) -> bool:
        """Whether every repo is within reach."""
        return self.repo_id is None

    @property
    def granted_scopes(self) -> tuple[TokenScope, ...]:
        """What the token may do within its reach."""
        return read_stored_scopes(self.scopes, of_operator=self.is_operator)

    @property
    def status(self) -> TokenStatus:
        """Whether the token can be used now."""
        if self.revoked_at is not None:
            return TokenStatus.REVOKED
        if self.expires_at is not None and self.expires_at <= timezone.now():
            return TokenStatus.EXPIRED
        return TokenStatus.LIVE


class Role(models.TextChoices):
    """What a person may do with the flows of a repo."""

    VIEWER = "viewer"
    MEMBER = "member"


class Membership(models.Model):
    """A person of a repo. A viewer reads its flows on the pages; a member also cancels and retries them."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships")
    repo = models.ForeignKey(Repo, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=10, choices=Role, default=Role.VIEWER, db_default=Role.VIEWER)

    class Meta:
        ordering = ["repo", "user"]
        constraints = [
            models.UniqueConstraint(fields=["user", "repo"], name="membership_once"),
            models.CheckConstraint(condition=Q(role__in=Role.values), name="membership_role_known"),
        ]

    def __str__(self) -> str:
        return f"{self.user} is {self.role} of {self.repo}"
