"""The Monday page as text."""

from collections.abc import Mapping, Sequence

from analytics.metrics import active_users, new_users


def page(events: Sequence[Mapping[str, str]], day: str) -> str:
    """Active and new users of a day. Retention is still missing."""
    return f"{day}: {active_users(events, day)} active, {new_users(events, day)} new"
