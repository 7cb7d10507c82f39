"""What is said of a rollback: drafted in the launch runbook's words, sent once, after somebody has looked."""

from collections.abc import Iterable
from uuid import NAMESPACE_URL, uuid5

from django.db import transaction
from django.utils import timezone

from orchestrator.ops.notifications import delivery
from orchestrator.ops.notifications.message_templates import read_template
from orchestrator.ops.notifications.notifier_protocol import NOTIFIERS
from orchestrator.ops.rollback import record
from orchestrator.ops.rollback.errors import AnnouncementDecided, UnknownAnnouncement
from orchestrator.ops.rollback.models import Announcement, AnnouncementStatus, Rollback
from orchestrator.ops.rollback.plan import DraftedMessage


def write_drafts(rollback: Rollback, drafts: Iterable[DraftedMessage]) -> None:
    """Keep drafts for somebody to look at; a step that runs again writes none twice."""
    # Conflicts are left alone: the row may be sent or dropped by now, and its words stay.
    Announcement.objects.bulk_create(
        [
            Announcement(
                rollback=rollback,
                template=one.template,
                notifier=one.notifier,
                target=one.target,
                subject=one.subject,
                body=one.body,
            )
            for one in drafts
        ],
        ignore_conflicts=True,
    )


def send_announcement(number: int, *, actor: str, body: str = "") -> Announcement:
    """Send a draft, with other words where ``body`` is given. Raises ``NotifierNotConfigured``."""
    with transaction.atomic():
        found = _lock_draft(number)
        NOTIFIERS.get(found.notifier).check_settings()
        # Checked before anything is written: a draft that cannot be sent stays a draft.
        found.body = body or found.body
        _decide(found, AnnouncementStatus.SENT, actor)
        # The key follows from the draft, so that it is sent once, also after a crash.
        delivery.notify_once(
            uuid5(NAMESPACE_URL, f"blocks:announcement:{found.pk}"),
            found.notifier,
            found.target,
            found.body,
            subject=found.subject,
            severity=read_template(found.template).severity,
            created_by=actor,
        )
        record.write_note(found.rollback, f"Announced to {found.target}: {found.body}", actor=actor)
    return found


def drop_announcement(number: int, *, actor: str) -> Announcement:
    """Leave a draft unsent."""
    with transaction.atomic():
        found = _lock_draft(number)
        _decide(found, AnnouncementStatus.DROPPED, actor)
    return found


def _lock_draft(number: int) -> Announcement:
    # Locked: of two who send at the same moment, the second is told of the first.
    found = Announcement.objects.select_for_update(of=("self",)).filter(pk=number).first()
    if found is None:
        raise UnknownAnnouncement(f"There is no announcement {number}.")
    if found.status != AnnouncementStatus.DRAFT:
        raise AnnouncementDecided(f"Announcement {number} is {found.status} already, by {found.decided_by}.")
    return found


def _decide(found: Announcement, status: AnnouncementStatus, actor: str) -> None:
    found.status, found.decided_by, found.decided_at = status, actor[:150], timezone.now()
    found.save(update_fields=["status", "decided_by", "decided_at", "body"])
