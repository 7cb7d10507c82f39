"""What people do to one flow, with the words in which pages ask for it and tell of it.

The engine has the verbs; here stands what a person reads before and after.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from orchestrator.flows.engine import control


@dataclass(frozen=True, slots=True)
class FlowVerb:
    """A verb of the engine. ``act`` gets the flow's id, ``actor``, ``reason`` and what else the form asks.

    ``act`` returns whether something changed. ``danger``: what it ends does not come back by itself.
    """

    title: str
    done: str
    meaning: str
    unchanged: str
    act: Callable[..., Any]
    danger: bool = False


def _set_priority(flow_id: str, priority: int, *, actor: str, reason: str) -> bool:
    control.set_priority(flow_id, priority, actor=actor, reason=reason)
    return True


VERBS: Final = {
    "cancel": FlowVerb(
        "Cancel",
        "cancelled",
        "What it did so far is kept; nothing more is started, and what runs stops within a heartbeat.",
        "it has ended already",
        control.cancel,
        danger=True,
    ),
    "retry": FlowVerb(
        "Retry",
        "run again",
        "A flow that failed or was cancelled continues from where it ended, with what it has paid for; one "
        "that waits for a provider is asked again at once.",
        "there is nothing to run again",
        control.retry,
    ),
    "pause": FlowVerb(
        "Pause",
        "paused",
        "No further stage is started; what runs may end. The time does not count for the deadline.",
        "it is paused already",
        control.pause,
    ),
    "resume": FlowVerb(
        "Resume",
        "resumed",
        "Its stages take their turn again.",
        "it is not paused",
        control.resume,
    ),
    "priority": FlowVerb(
        "Change the priority",
        "given another priority",
        "Its stages go before those of a lower priority, in every repo. What is already handed to a worker "
        "keeps its place.",
        "it does not exist",
        _set_priority,
    ),
}
