"""What Terraform knows of a repo."""

from django.db import models
from django.db.models import Q


class TerraformState(models.Model):
    """The state of one repo: ``sealed`` is opened by ``provisioning.terraform.states`` alone.

    ``variables`` are those of the last apply, and no secrets. ``held_*`` is the lock. ``drift`` are the
    addresses that differed at ``drift_checked_at``.
    """

    # Not a foreign key: the state outlives a repo whose undo has failed.
    repo_name = models.CharField(max_length=100, unique=True)
    reference = models.CharField(max_length=12, blank=True, default="", db_default="")
    version = models.PositiveIntegerField(default=0, db_default=0)
    # Null until the first apply: a lock may come before there is anything.
    sealed = models.BinaryField(null=True, editable=False)
    variables = models.JSONField(default=dict, db_default={})
    held_token = models.UUIDField(null=True, blank=True, editable=False)
    held_by = models.CharField(max_length=200, blank=True, default="", db_default="")
    held_until = models.DateTimeField(null=True, blank=True)
    written_at = models.DateTimeField(null=True, blank=True)
    drift = models.JSONField(default=list, db_default=[], blank=True)
    drift_checked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["repo_name"]
        constraints = [
            models.CheckConstraint(
                condition=Q(held_token__isnull=True, held_until__isnull=True)
                | Q(held_token__isnull=False, held_until__isnull=False),
                name="onboarding_terraform_hold_is_whole",
            )
        ]

    def __str__(self) -> str:
        return f"{self.repo_name}: version {self.version}"
