"""What every check of the pre-flight is: one module in ``checks/``, one line in ``PREFLIGHT_CHECKS``.

A check answers the lines of one checklist of the launch runbook, in the runbook's words.
``tests/ops/preflight`` holds the lines of all checks against the runbook, so that none is forgotten.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

from orchestrator.core.registry import Registry

PHASES: Final = (6, 7)


class LineOutcome(StrEnum):
    """How a line stands. ``ask``: the system cannot look, so a person has to."""

    PASS = "pass"  # noqa: S105 - no password
    FAIL = "fail"
    ASK = "ask"


@dataclass(frozen=True, slots=True)
class ChecklistLine:
    """One line of a checklist: ``key`` is what people type, ``words`` are the runbook's."""

    key: str
    words: str


@dataclass(frozen=True, slots=True)
class LineAnswer:
    """What was found for one line. ``cure`` says what to do where it does not pass."""

    key: str
    outcome: LineOutcome
    found: str
    cure: str = ""


class PreflightCheck(Protocol):
    """Answers the lines of one checklist."""

    @property
    def section(self) -> str:
        """The heading under which the runbook has the lines."""
        ...

    @property
    def phases(self) -> tuple[int, ...]:
        """Before which phases the lines are asked."""
        ...

    @property
    def lines(self) -> tuple[ChecklistLine, ...]:
        """The lines, in the runbook's order."""
        ...

    def look(self) -> Iterator[LineAnswer]:
        """Look at the live system and answer each line once. Changes nothing and shows no secret.

        May raise what the parts raise that it looks at; its lines then fail.
        """
        ...


def judge(key: str, passes: bool, found: str, cure: str) -> LineAnswer:
    """Pass or fail; the cure only where it is needed."""
    if passes:
        return LineAnswer(key, LineOutcome.PASS, found)
    return LineAnswer(key, LineOutcome.FAIL, found, cure)


def ask(key: str, found: str, cure: str) -> LineAnswer:
    """A person has to look; ``cure`` says where and at what."""
    return LineAnswer(key, LineOutcome.ASK, found, cure)


_CHECKS: Final = "orchestrator.ops.preflight.checks"
PREFLIGHT_CHECKS: Registry[PreflightCheck] = Registry(
    "pre-flight check",
    {
        # In the order of the runbook, which is the order in which people read them.
        "flowengine": f"{_CHECKS}.flowengine:CHECK",
        "database": f"{_CHECKS}.database:CHECK",
        "storage": f"{_CHECKS}.storage:CHECK",
        "models": f"{_CHECKS}.models:CHECK",
        "environment": f"{_CHECKS}.environment:CHECK",
        "training": f"{_CHECKS}.training:CHECK",
        "documentation": f"{_CHECKS}.documentation:CHECK",
        "dashboards": f"{_CHECKS}.dashboards:CHECK",
        "alerts": f"{_CHECKS}.alerts:CHECK",
        "rotation": f"{_CHECKS}.rotation:CHECK",
        "on-call-training": f"{_CHECKS}.on_call_training:CHECK",
        "pagerduty": f"{_CHECKS}.pagerduty:CHECK",
        "soak-repos": f"{_CHECKS}.soak_repos:CHECK",
        "approval": f"{_CHECKS}.approval:CHECK",
        "soak-exit": f"{_CHECKS}.soak_exit:CHECK",
        "evidence-package": f"{_CHECKS}.evidence_package:CHECK",
        "portal": f"{_CHECKS}.portal:CHECK",
        "go-live": f"{_CHECKS}.go_live:CHECK",
    },
)
