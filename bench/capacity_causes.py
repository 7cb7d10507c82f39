"""What the time of stages went into, by the events that began its spans."""

from collections.abc import Iterable
from typing import Any, Final

PROVIDERS: Final = ("anthropic", "openai", "google")


def find_causes(rows: Iterable[Any]) -> dict[str, float]:
    """What the time of all stages went into, in seconds: work, waits for a slot, waits for room, by cause."""
    causes: dict[str, float] = {}
    for row in rows:
        cause = name_cause(row.kind, row.queue, row.reason)
        causes[cause] = causes.get(cause, 0.0) + row.seconds
    return causes


def name_cause(kind: str, queue: str, reason: str) -> str:
    """The cause of a span in words, from the event that began it."""
    if kind == "stage.started":
        return "models and gates"
    if kind == "stage.ready":
        return f"slots of {queue}"
    provider = reason.partition(":")[0]
    if reason.startswith("repo "):
        return "budget of a repo"
    if "daily tokens" in reason or "turn" in reason or "waits for its turn" in reason:
        # Who waits behind others waits for what the first of them waits for.
        return f"daily quota of {provider}"
    if "daily budget" in reason:
        return "daily budget"
    for words in ("tokens a minute", "requests a minute", "slots are taken"):
        if words in reason:
            return f"{words} at {provider}"
    if provider in PROVIDERS:
        return f"refusals of {provider}"
    return "pauses before another attempt"


def name_key(cause: str) -> str:
    """``cause`` as the end of a key of the results."""
    return cause.replace(" ", "_")
