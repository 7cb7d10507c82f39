"""What every trigger of a rollback is: one module in ``triggers/``, one line in ``TRIGGERS``."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from orchestrator.core.registry import Registry


@dataclass(frozen=True, slots=True)
class MeasuredFigure:
    """What a trigger has measured.

    ``value`` is compared with ``limit``; None where it cannot be measured. ``samples`` is how much data is
    behind it, and ``minimum`` how much it takes to act. ``detail`` says it in words. ``labels`` are those
    that the alert of the same figure has.
    """

    value: float | None
    limit: float
    samples: int
    minimum: int
    detail: str
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_beyond(self) -> bool:
        """Whether the value is over the limit."""
        return self.value is not None and self.value > self.limit

    @property
    def is_enough(self) -> bool:
        """Whether there is a value with enough data behind it."""
        return self.value is not None and self.samples >= self.minimum


class RollbackTrigger(Protocol):
    """Measures one figure whose limit is a reason to roll back.

    ``setting`` names the setting that says what it does: ``act``, ``ask`` or ``off``. ``alert`` is the alert
    of the same figure: what it has opened is the trigger's incident, too. ``looks`` is how often in a row the
    figure has to be beyond its limit, so that one that flaps does nothing.
    """

    setting: str
    alert: str
    looks: int

    def measure(self) -> MeasuredFigure:
        """The figure as of now. Quick: flows wait for the one who asks."""
        ...


TRIGGERS: Registry[RollbackTrigger] = Registry(
    "rollback trigger",
    {
        "failure-rate": "orchestrator.ops.rollback.triggers.failure_rate:TRIGGER",
        "quota": "orchestrator.ops.rollback.triggers.quota:TRIGGER",
        "database-connections": "orchestrator.ops.rollback.triggers.database_connections:TRIGGER",
    },
)
