"""Who has earned a certificate: a pass in every required module."""

from typing import Final

from django.conf import settings
from django.db.models import Count, Q, QuerySet

from orchestrator.ops.training.models import Certificate, Trainee, TrainingModule

_PASSED: Final = "scores__percent__gte"


def find_earned() -> QuerySet[Trainee]:
    """People without a certificate who have passed every required module; nobody where none is required."""
    required = TrainingModule.objects.filter(is_required=True).count()
    # Without a module everybody would have passed all of them.
    if not required:
        return Trainee.objects.none()
    # Distinct, because somebody may have passed a module twice.
    passed = Count(
        "scores__module",
        filter=Q(**{_PASSED: settings.TRAINING_PASS_MARK}, scores__module__is_required=True),
        distinct=True,
    )
    return Trainee.objects.filter(certificate=None).annotate(passed=passed).filter(passed=required)


def issue_earned_certificates(actor: str) -> int:
    """Write the certificates that are due, in the caller's transaction; how many there were.

    Two imports at once may both find the same person: the second one's row is left out by the database.
    """
    # Built before the insert, so that the count is of those that this call has found.
    due = [Certificate(trainee=one, issued_by=actor) for one in find_earned()]
    Certificate.objects.bulk_create(due, ignore_conflicts=True)
    return len(due)
