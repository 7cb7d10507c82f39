"""Schema drift: what changed between the agreed columns of a table and those that arrived, and how bad it is.

Readers were written against the agreed columns. A change is *breaking* when such a reader can fail or misread, a
*warning* when it reads on but somebody should look, *info* otherwise.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

TYPES = ("boolean", "int32", "int64", "float64", "decimal", "date", "timestamp", "string")
# A reader of the first type can be given any of the others without loss.
WIDENINGS: Mapping[str, frozenset[str]] = {
    "int32": frozenset({"int64", "decimal"}),
    "int64": frozenset({"decimal"}),
    "date": frozenset({"timestamp"}),
}


class Severity(Enum):
    """How bad a change is for existing readers, worst first."""

    BREAKING = "breaking"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True)
class Change:
    """One change of one column; ``before`` and ``after`` say what it was and is."""

    column: str
    kind: str
    severity: Severity
    before: str
    after: str


@dataclass(frozen=True)
class Drift:
    """Changes, worst first and by column; ``compatible`` when none breaks; ``bump`` is the version part to raise."""

    changes: tuple[Change, ...]
    compatible: bool
    bump: str


@dataclass(frozen=True)
class _Column:
    position: int
    type: str
    nullable: bool


def schema_drift(agreed: Sequence[Mapping[str, object]], arrived: Sequence[Mapping[str, object]]) -> Drift:
    """Compare two lists of columns ``{"name": str, "type": one of TYPES, "nullable": bool}`` in their order.

    Names are compared without regard to case, as the warehouse does. Raises ``ValueError`` for an empty name, an
    unknown type, and two columns whose names differ only in case.
    """
    before, after = _columns("agreed", agreed), _columns("arrived", arrived)
    changes: list[Change] = []
    for name, old in before.items():
        new = after.get(name)
        if new is None:
            changes.append(Change(name, "removed", Severity.BREAKING, old.type, ""))
        else:
            changes.extend(_compare(name, old, new))
    changes.extend(_added(name, new) for name, new in after.items() if name not in before)
    if not changes and list(before) != list(after):
        changes.append(Change("*", "reordered", Severity.WARNING, ",".join(before), ",".join(after)))
    worst = list(Severity)
    changes.sort(key=lambda change: (worst.index(change.severity), change.column, change.kind))
    compatible = all(change.severity is not Severity.BREAKING for change in changes)
    return Drift(tuple(changes), compatible, _bump(changes, compatible))


def _columns(side: str, rows: Sequence[Mapping[str, object]]) -> dict[str, _Column]:
    columns: dict[str, _Column] = {}
    for position, row in enumerate(rows, start=1):
        name, kind = str(row["name"]).strip().casefold(), str(row["type"])
        if not name:
            raise ValueError(f"{side}: column {position} has no name")
        if kind not in TYPES:
            raise ValueError(f"{side}: column {name!r} has the unknown type {kind!r}")
        if name in columns:
            raise ValueError(f"{side}: columns {columns[name].position} and {position} are both {name!r}")
        columns[name] = _Column(position, kind, row["nullable"] is True)
    return columns


def _compare(name: str, old: _Column, new: _Column) -> list[Change]:
    changes = []
    if old.type != new.type:
        widened = new.type in WIDENINGS.get(old.type, frozenset())
        kind, severity = ("widened", Severity.WARNING) if widened else ("retyped", Severity.BREAKING)
        changes.append(Change(name, kind, severity, old.type, new.type))
    if new.nullable and not old.nullable:
        changes.append(Change(name, "nullable", Severity.BREAKING, "required", "nullable"))
    elif old.nullable and not new.nullable:
        changes.append(Change(name, "required", Severity.INFO, "nullable", "required"))
    return changes


def _added(name: str, new: _Column) -> Change:
    return Change(name, "added", Severity.INFO, "", new.type)


def _bump(changes: Sequence[Change], compatible: bool) -> str:
    """Data contracts are versioned like code: breaking is major, a new or wider column minor, the rest a patch."""
    if not compatible:
        return "major"
    if any(change.kind in {"added", "widened"} for change in changes):
        return "minor"
    return "patch" if changes else "none"
