"""What people say to taking repos again after a P1."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from orchestrator.ops.rollback.models import VoterRole, VoteVerdict


class RolloutVote(models.Model):
    """GO or NO to taking repos again after a P1. Rows are added and stay.

    The GO that is the last of the three ``resumes``: from then on only a later P1 pauses onboarding.
    """

    role = models.CharField(max_length=3, choices=VoterRole)
    # The name of a token or of an account: one for each person, or three GO say nothing.
    person = models.CharField(max_length=150)
    verdict = models.CharField(max_length=2, choices=VoteVerdict)
    reason = models.TextField(blank=True, default="", db_default="")
    resumes = models.BooleanField(default=False, db_default=False)
    created_at = models.DateTimeField(auto_now_add=True, db_default=Now())
    # Set at the vote, so that another setting later neither revives nor ends it.
    expires_at = models.DateTimeField()

    class Meta:
        ordering = ["id"]
        constraints = [
            models.CheckConstraint(condition=Q(role__in=VoterRole.values), name="rollout_vote_role_known"),
            models.CheckConstraint(condition=Q(verdict__in=VoteVerdict.values), name="rollout_vote_known"),
            models.CheckConstraint(condition=~Q(person=""), name="rollout_vote_has_person"),
            models.CheckConstraint(condition=Q(resumes=False) | Q(verdict="go"), name="rollout_go_resumes"),
        ]

    def __str__(self) -> str:
        return f"{self.get_role_display()} {self.person}: {self.get_verdict_display()}"
