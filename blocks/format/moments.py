"""Moments as people read them: with their day, and how far off they are.

A text that is kept says a moment exactly (``2026-11-30T16:00Z``), because "tomorrow" would be wrong the day
after. What is shown to people is read out at that time: "tomorrow 16:00 UTC, in 24 h 25 min".
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Final

_WRITTEN: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d)?Z")
_DAYS: Final = {-1: "yesterday", 0: "today", 1: "tomorrow"}
# From here on the hours do not matter.
_MANY_HOURS: Final = 48


def write_moment(at: datetime) -> str:
    """Return ``at`` for a text that is kept: UTC, to the minute, or to the second where that matters."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%MZ" if at.second == 0 else "%Y-%m-%dT%H:%M:%SZ")


def describe_moment(at: datetime, now: datetime) -> str:
    """Return ``at`` as read at ``now``: ``tomorrow 16:00 UTC, in 24 h 25 min``."""
    at, now = at.astimezone(UTC), now.astimezone(UTC)
    days = (at.date() - now.date()).days
    day = _DAYS.get(days) or (f"{at.day} {at:%b}" if at.year == now.year else f"{at.day} {at:%b %Y}")
    clock = at.strftime("%H:%M" if at.second == 0 else "%H:%M:%S")
    return f"{day} {clock} UTC{_describe_distance(at - now)}"


def read_moments(text: str, now: datetime) -> str:
    """Return ``text`` with each written moment as people read it at ``now``."""
    return _WRITTEN.sub(lambda found: describe_moment(datetime.fromisoformat(found[0]), now), text)


def _describe_distance(left: timedelta) -> str:
    """Say how far off a moment is; nothing for one that has passed."""
    seconds = int(left.total_seconds())
    if seconds <= 0:
        return ""
    if seconds < 60:
        return f", in {seconds} s"
    minutes = seconds // 60
    if minutes < 60:
        return f", in {minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < _MANY_HOURS:
        return f", in {hours} h {minutes} min" if minutes else f", in {hours} h"
    return f", in {hours // 24} days"
