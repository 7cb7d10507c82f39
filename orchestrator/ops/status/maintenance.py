"""Planned maintenance: which is under way, what it holds up, and its silence in Alertmanager."""

from datetime import datetime, timedelta
from typing import Final

import httpx2
from django.conf import settings
from django.db.models import Max, QuerySet

from orchestrator.ops.status.models import Maintenance

MUTED: Final = ("P2", "P3")
"""P1 is told at any time; what is below P3 wakes nobody."""
SHOWN_BEFORE: Final = timedelta(days=14)
_TIMEOUT_SECONDS: Final = 5.0


def list_current(now: datetime) -> QuerySet[Maintenance]:
    """Maintenance that is under way."""
    return Maintenance.objects.filter(cancelled_at=None, starts_at__lte=now, ends_at__gt=now)


def list_planned(now: datetime) -> QuerySet[Maintenance]:
    """Maintenance that begins in the next two weeks, the next first."""
    soon = Maintenance.objects.filter(cancelled_at=None, starts_at__gt=now, starts_at__lte=now + SHOWN_BEFORE)
    return soon.order_by("starts_at")


def find_end_of_mute(severity: str, now: datetime) -> datetime | None:
    """Until when a message of ``severity`` waits; None where none is under way, and always for P1.

    A message that waits is not lost: it is sent when the last window that is under way has ended.
    """
    if severity not in MUTED:
        return None
    # The latest end: windows may overlap, and a message should not wait twice.
    found: datetime | None = list_current(now).aggregate(end=Max("ends_at"))["end"]
    return found


def silence_alerts(now: datetime) -> None:
    """Tell Alertmanager of maintenance that begins soon, and to forget what was called off.

    Does nothing without ALERTMANAGER_URL. Raises ``httpx2.HTTPError`` where it does not answer; the next look
    tries again.
    """
    if not settings.ALERTMANAGER_URL:
        return
    # An hour ahead, so that a restart of Alertmanager or of this worker misses no start.
    due = Maintenance.objects.filter(
        cancelled_at=None, silence_id="", starts_at__lte=now + timedelta(hours=1), ends_at__gt=now
    )
    for one in due:
        one.silence_id = _post_silence(one)
        one.save(update_fields=["silence_id"])
    for one in Maintenance.objects.filter(cancelled_at__isnull=False, ends_at__gt=now).exclude(silence_id=""):
        _ask("DELETE", f"/api/v2/silence/{one.silence_id}")
        one.silence_id = ""
        one.save(update_fields=["silence_id"])


def _post_silence(one: Maintenance) -> str:
    # By severity alone: the labels of Alertmanager are the same as those of messages here.
    matcher = {"name": "severity", "value": "|".join(MUTED), "isRegex": True, "isEqual": True}
    silence = {
        "matchers": [matcher],
        "startsAt": one.starts_at.isoformat(),
        "endsAt": one.ends_at.isoformat(),
        "createdBy": one.created_by or "status page",
        "comment": f"Planned maintenance: {one.title}",
    }
    return str(_ask("POST", "/api/v2/silences", json=silence).json()["silenceID"])[:100]


def _ask(method: str, path: str, **how: object) -> httpx2.Response:
    answer = httpx2.request(
        method,
        f"{settings.ALERTMANAGER_URL}{path}",
        timeout=_TIMEOUT_SECONDS,
        **how,  # type: ignore[arg-type]
    )
    answer.raise_for_status()
    return answer
