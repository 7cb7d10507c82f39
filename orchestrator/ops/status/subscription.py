"""Who gets the news by mail. Nobody learns here whether an address is known, and nobody can flood one.

1. Somebody types an address. The page always says the same.
2. An address that is new, or was asked over an hour ago and did not answer, gets one mail with a link. All
   addresses together get at most ``MOST_ASKED`` in an hour.
3. The link opens a page with a button: programs that open every link of a mail confirm nothing.
4. Every mail has a link to leave, and the header with which mail programs leave by one click. The row is
   deleted then, and a mail that still waits is not sent.
"""

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.conf import settings
from django.db import transaction

from orchestrator.core import database
from orchestrator.ops.notifications import delivery
from orchestrator.ops.notifications.message_templates import render_template
from orchestrator.ops.status.links import link_confirm, link_status, link_unsubscribe
from orchestrator.ops.status.models import StatusReader
from orchestrator.ops.status.news import NOTIFIER

ASKED_AGAIN: Final = timedelta(hours=1)
MOST_ASKED: Final = 60
"""Questions in an hour, to all addresses together."""
MOST_READERS: Final = 2_000
FORGOTTEN: Final = timedelta(days=2)
"""An address that did not answer for so long is deleted."""


def is_offered() -> bool:
    """Whether this deployment can send mails with links that lead here."""
    return bool(settings.EMAIL_HOST and settings.PUBLIC_URL)


def subscribe(email: str, now: datetime) -> bool:
    """Ask ``email`` whether it wants the news, where that is due; whether a mail was written.

    The caller must not show the answer to anybody.
    """
    # Two spellings are one reader, who would get everything twice.
    address = email.lower()
    if not is_offered():
        return False
    with transaction.atomic():
        # One after another, else many at once would all see room.
        database.fetch_rows("SELECT pg_advisory_xact_lock(hashtextextended('status subscribe', 0))")
        if not _has_room(now):
            return False
        reader = StatusReader.objects.filter(email=address).first()
        if reader is None:
            reader = StatusReader.objects.create(email=address, asked_at=now)
        elif reader.confirmed_at is not None or reader.asked_at > now - ASKED_AGAIN:
            return False
        else:
            StatusReader.objects.filter(pk=reader.pk).update(asked_at=now)
        _write_question(reader)
    return True


def confirm(key: UUID, now: datetime) -> bool:
    """Begin to send news; whether the link is known. A second time changes nothing."""
    # A compare-and-set: the time of the first confirmation stays.
    StatusReader.objects.filter(key=key, confirmed_at=None).update(confirmed_at=now)
    return StatusReader.objects.filter(key=key).exists()


def unsubscribe(key: UUID) -> None:
    """Forget the address. A link that is not known any longer has done its work before."""
    StatusReader.objects.filter(key=key).delete()


def forget_silent(now: datetime) -> None:
    """Delete addresses that never answered."""
    StatusReader.objects.filter(confirmed_at=None, asked_at__lt=now - FORGOTTEN).delete()


def _has_room(now: datetime) -> bool:
    # Counted in the database, so that the bound holds over all processes.
    asked = StatusReader.objects.filter(asked_at__gt=now - ASKED_AGAIN).count()
    return asked < MOST_ASKED and StatusReader.objects.count() < MOST_READERS


def _write_question(reader: StatusReader) -> None:
    message = render_template(
        "status_confirm",
        {
            "page": link_status(),
            "confirm": link_confirm(reader),
            "unsubscribe": link_unsubscribe(reader),
        },
    )
    delivery.notify(NOTIFIER, reader.email, message.body, subject=message.subject)
