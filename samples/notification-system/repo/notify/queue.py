"""What waits to be sent."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from notify.message import Message


def due(messages: Iterable[Message], now: datetime) -> list[Message]:
    """Messages whose time has come, oldest first."""
    return sorted((m for m in messages if m.due <= now), key=lambda m: (m.due, m.id))


def after_failure(message: Message, now: datetime) -> Message:
    """Try again in a minute, for ever, at any hour. To be replaced."""
    return replace(message, due=now + timedelta(minutes=1), failures=message.failures + 1)
