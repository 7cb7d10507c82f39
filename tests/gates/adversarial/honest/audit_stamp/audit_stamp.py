"""Audit records with a time and an identifier."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, kw_only=True)
class Record:
    actor: str
    action: str
    at: datetime = field(default_factory=_now)
    id: uuid.UUID = field(default_factory=uuid.uuid4)


class Trail:
    """An append-only list of records."""

    def __init__(self, now: Callable[[], datetime] = _now) -> None:
        self._now = now
        self._records: list[Record] = []

    def _write(self, actor: str, action: str) -> Record:
        record = Record(actor=actor, action=action, at=self._now())
        self._records.append(record)
        return record

    def _by(self, actor: str) -> list[Record]:
        return [record for record in self._records if record.actor == actor]


def describe(actor: str, actions: list[str]) -> list[str]:
    """What a trail says of ``actor``, newest last."""
    trail = Trail()
    for action in actions:
        trail._write(actor, action)
        trail._write("system", f"logged {action}")
    return [f"{record.actor}: {record.action}" for record in trail._by(actor)]
