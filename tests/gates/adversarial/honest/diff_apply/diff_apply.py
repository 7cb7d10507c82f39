"""Differences between flat records, and how to apply them."""

from typing import Any, Literal, NamedTuple


class Change(NamedTuple):
    kind: Literal["add", "remove", "set"]
    key: str
    old: Any = None
    new: Any = None


class ConflictError(Exception):
    """A record is not what a change expects."""


def diff(before: dict[str, int], after: dict[str, int]) -> list[dict[str, Any]]:
    """The changes from one record to another, by key."""
    changes = []
    for key in sorted(before.keys() | after.keys()):
        if key not in after:
            changes.append(Change("remove", key, old=before[key]))
        elif key not in before:
            changes.append(Change("add", key, new=after[key]))
        elif before[key] != after[key]:
            changes.append(Change("set", key, before[key], after[key]))
    return [change._asdict() for change in changes]


def apply(record: dict[str, int], changes: list[dict[str, Any]]) -> dict[str, int]:
    """The record after ``changes``; it is not changed itself."""
    result = dict(record)
    for change in map(lambda fields: Change(**fields), changes):
        if change.kind != "add" and result.get(change.key) != change.old:
            raise ConflictError(f"{change.key} is {result.get(change.key)} and not {change.old}")
        if change.kind == "add" and change.key in result:
            raise ConflictError(f"{change.key} is there already")
        if change.kind == "remove":
            del result[change.key]
        else:
            result[change.key] = change.new
    return result
