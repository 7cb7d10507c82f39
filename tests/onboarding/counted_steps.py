"""Steps that count what they make, and die where a test says. ``counted_worker`` runs them.

``COUNTED_STORE`` is a folder: ``objects/`` has a file for each object that a far side would have, ``calls`` a
line for each attempt that came so far, and ``kill/`` a file for each place where the next one that comes by
dies.
"""

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Final
from uuid import UUID

from onboarding import engine
from onboarding.runner import LEASE_THREAD
from onboarding.step_protocol import Passed, StepAnswer, StepContext
from onboarding.step_registry import CHECKS, PROVISIONING
from tests.onboarding.steps import TWO_STEPS

PROVISIONED: Final = ("registration", "secrets", "files", "dashboard")
CHECKED: Final = ("repo_exists", "lead_approved")
POINTS: Final = ("start", "middle", "end", "after")
"""Before anything; between the object and its answer; before the answer is written; after that, and before
the message of the next step."""


def die_at(place: str) -> None:
    """kill -9 of this process where the test has asked for it, once."""
    asked = _store() / "kill" / place
    if asked.exists():
        asked.unlink()
        os.kill(os.getpid(), signal.SIGKILL)


class CountedStep:
    """Makes one object with our mark, and looks for it first."""

    title = "A step that counts"

    def __init__(self, name: str) -> None:
        self.name = name

    def run(self, context: StepContext) -> StepAnswer:
        """Make the object where it is missing."""
        die_at(f"{self.name}-start")
        _write_call(self.name)
        context.still_ours()
        _sleep()
        if not list(_find(context, self.name)):
            number = time.time_ns()
            made = _store() / "objects" / f"{context.request.reference}-{self.name}-{number}"
            made.touch(exist_ok=False)
        die_at(f"{self.name}-middle")
        (found,) = _find(context, self.name)
        return Passed({"object": found.name.rpartition("-")[0]})

    def undo(self, context: StepContext) -> StepAnswer:
        """Take the object away where it is there."""
        die_at(f"undo-{self.name}-start")
        for made in _find(context, self.name):
            made.unlink()
        die_at(f"undo-{self.name}-middle")
        return Passed({})


def _store() -> Path:
    return Path(os.environ["COUNTED_STORE"])


def _find(context: StepContext, name: str) -> list[Path]:
    return sorted((_store() / "objects").glob(f"{context.request.reference}-{name}-*"))


def _write_call(name: str) -> None:
    with (_store() / "calls").open("a", encoding="utf-8") as calls:
        calls.write(f"{name}\n")


def _sleep() -> None:
    slow = _store() / "seconds"
    if slow.exists():
        time.sleep(float(slow.read_text(encoding="utf-8")))


def install_steps() -> None:
    """Put the counting steps beside the two that every onboarding has: the yes, and the registration."""
    CHECKS._members = {**_count(CHECKED[:1]), "lead_approved": "test:lead_approved"}
    PROVISIONING._members = {"registration": "test:registration", **_count(PROVISIONED[1:])}
    for table, step in TWO_STEPS:
        table._loaded[f"test:{step.name}"] = step
    for table, names in ((CHECKS, CHECKED[:1]), (PROVISIONING, PROVISIONED[1:])):
        for name in names:
            table._loaded[f"counted:{name}"] = CountedStep(name)


def _count(names: tuple[str, ...]) -> dict[str, str]:
    return {name: f"counted:{name}" for name in names}


def leave_out_terraform() -> None:
    """The product's own steps, without the one that takes most of the time."""
    paths = PROVISIONING.paths()
    PROVISIONING._members = {name: path for name, path in paths.items() if name != "infrastructure"}


def install_deaths_in_steps() -> None:
    """Let the worker die at the start of a step of the product, and before each write on a far side.

    The places before writes are ``NAME-middle-1``, ``NAME-middle-2`` and so on, counted in each attempt.
    """
    for table in (CHECKS, PROVISIONING):
        for name, step in table.items():
            setattr(step, "run", _wrap(name, step.run))  # noqa: B010 - a protocol takes no assignment
            if hasattr(step, "undo"):
                setattr(step, "undo", _wrap(f"undo-{name}", step.undo))  # noqa: B010
    renew = engine.renew_lease
    asked: Counter[UUID] = Counter()

    def renew_lease(claim: engine.StepClaim) -> None:
        renew(claim)
        # The thread that keeps the lease asks by the clock, and not before a write.
        if threading.current_thread().name == LEASE_THREAD:
            return
        asked[claim.token] += 1
        die_at(f"{_name_place(claim)}-middle-{asked[claim.token]}")

    # What ``still_ours`` is, which steps ask right before they write.
    engine.renew_lease = renew_lease


def _wrap(place: str, run: Callable[[StepContext], StepAnswer]) -> Callable[[StepContext], StepAnswer]:
    def wrapped(context: StepContext) -> StepAnswer:
        die_at(f"{place}-start")
        return run(context)

    return wrapped


def _name_place(claim: engine.StepClaim) -> str:
    return f"undo-{claim.name}" if claim.kind == "undo" else claim.name


def install_deaths() -> None:
    """Let the worker die around the end of an attempt, too."""
    finish = engine.finish_step

    def finish_step(claim: engine.StepClaim, answer: StepAnswer) -> engine.StepEnd:
        place = _name_place(claim)
        die_at(f"{place}-end")
        end = finish(claim, answer)
        die_at(f"{place}-after")
        return end

    engine.finish_step = finish_step
