"""A turnstile as a state machine."""

from enum import Enum


class State(Enum):
    """Where it stands."""

    LOCKED = "locked"
    OPEN = "open"
    BROKEN = "broken"


TRANSITIONS = {
    (State.LOCKED, "coin"): State.OPEN,
    (State.OPEN, "push"): State.LOCKED,
    (State.LOCKED, "kick"): State.BROKEN,
    (State.BROKEN, "repair"): State.LOCKED,
}


class Turnstile:
    """Counts who goes through."""

    def __init__(self) -> None:
        self.state = State.LOCKED
        self.passed = 0

    def feed(self, event: str) -> State:
        """Take one event; what does not fit the state changes nothing."""
        before = self.state
        self.state = TRANSITIONS.get((before, event), before)
        if before is State.OPEN and self.state is State.LOCKED:
            self.passed += 1
        return self.state


def run(events: list[str]) -> dict[str, object]:
    """State and count after all events."""
    turnstile = Turnstile()
    for event in events:
        turnstile.feed(event)
    return {"state": turnstile.state, "passed": turnstile.passed}
