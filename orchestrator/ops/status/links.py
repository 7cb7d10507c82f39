"""Addresses in mails and in the feed. They begin with PUBLIC_URL: a request's own host may be anybody's."""

from django.conf import settings
from django.urls import reverse

from orchestrator.ops.status.models import StatusReader


def link_status() -> str:
    """The status page."""
    return f"{settings.PUBLIC_URL}{reverse('status')}"


def link_confirm(reader: StatusReader) -> str:
    """Where a reader confirms."""
    return f"{settings.PUBLIC_URL}{reverse('status-confirm', args=[reader.key])}"


def link_unsubscribe(reader: StatusReader) -> str:
    """Where a reader leaves, also by one click in the mail program."""
    return f"{settings.PUBLIC_URL}{reverse('status-unsubscribe', args=[reader.key])}"
