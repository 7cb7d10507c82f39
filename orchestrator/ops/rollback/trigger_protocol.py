"""What every trigger of a rollback is: one module in ``triggers/``, one line in ``TRIGGERS``."""

from dataclasses import dataclass
from typing import Protocol

from orchestrator.core.registry import Registry


@dataclass(frozen=True, slots=True)
class Figure:
    """What a trigger has measured.

    ``value`` is compared with ``limit``; None where it cannot be measured. ``samples`` is how much data is
    behind it, and ``minimum`` how much it takes to act. ``detail`` says it in words.
    """

    value: float | None
    limit: float
    samples: int
    minimum: int
    detail: str

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

    ``setting`` names the setting that says what it does: ``act``, ``ask`` or ``off``. ``looks`` is how often
    in a row the figure has to be beyond its limit, so that one that flaps does nothing.
    """

    setting: str
    looks: int

    def measure(self) -> Figure:
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
