"""Metrics of the Monday page."""

from collections.abc import Iterable, Mapping


def active_users(events: Iterable[Mapping[str, str]], day: str) -> int:
    """Users with an event on ``day``."""
    return len({event["user"] for event in events if event["day"] == day})


def new_users(events: Iterable[Mapping[str, str]], day: str) -> int:
    """Users whose first event is on ``day``."""
    first: dict[str, str] = {}
    for event in events:
        first[event["user"]] = min(event["day"], first.get(event["user"], event["day"]))
    return sum(start == day for start in first.values())
