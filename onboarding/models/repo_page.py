"""What the service of a repo was paged for."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from orchestrator.repos.models import Repo

THREAD = "repo-page-"


class RepoPage(models.Model):
    """One page of the service that a repo has, from begin to end. ``paging.watch`` writes these rows.

    ``seen_at`` is when its condition was last true: it ends when that is some time ago.
    """

    repo = models.ForeignKey(Repo, on_delete=models.CASCADE, related_name="pages")
    condition = models.CharField(max_length=20)
    words = models.TextField()
    begun_at = models.DateTimeField(db_default=Now())
    seen_at = models.DateTimeField(db_default=Now())
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                # Of two looks at the same moment, one begins the page.
                fields=["repo", "condition"],
                condition=Q(ended_at=None),
                name="onboarding_one_open_page",
            )
        ]

    def __str__(self) -> str:
        return f"{self.repo}: {self.condition}"

    @property
    def thread(self) -> str:
        """What joins its messages: the ``dedup_key`` at PagerDuty."""
        return f"{THREAD}{self.pk}"
