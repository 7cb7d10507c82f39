"""What the dispatcher does for onboarding every few seconds: find what is due, and send it to a worker."""

from typing import Final

from onboarding import engine, rollout
from orchestrator.core.periodic import PeriodicWork


def look_at_what_is_due() -> None:
    """Take back steps of lost workers, let those begin whose turn it is, send what may run."""
    engine.complete_requests()
    engine.take_back_lost_steps()
    rollout.begin_due_requests()
    engine.send_all_due()


WORK: Final = PeriodicWork("onboarding", 5.0, look_at_what_is_due)
