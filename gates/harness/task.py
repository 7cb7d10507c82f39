"""What the server asks the harness to do, as both sides read it. It travels as JSON on standard input."""

import json
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class HarnessTask:
    """One task on one block.

    - ``kind`` is ``contract``, ``coverage`` or ``mutation``; ``name`` is the block's.
    - ``seed`` decides every draw, so that a replay draws the same.
    - ``seconds`` is the wall time for the whole task; ``slack`` says how many times more than on a quiet
      machine that is.
    - ``entrypoints`` are those of the contract, each with ``previous``: its earlier version or ``None``.
    """

    # Told to the zygotes, too; everything below is for the planner alone.
    kind: str
    name: str
    seed: str
    seconds: float
    slack: float = 1.0
    entrypoints: tuple[dict[str, Any], ...] = ()

    def to_json(self) -> bytes:
        """The task as the harness reads it."""
        return json.dumps(asdict(self)).encode()


def parse_task(text: str | bytes) -> HarnessTask:
    """Read what ``HarnessTask.to_json`` wrote. Raises ``ValueError`` or ``TypeError`` for anything else."""
    # JSON has no tuples; a frozen value should hold no list.
    fields = json.loads(text)
    return HarnessTask(**{**fields, "entrypoints": tuple(fields["entrypoints"])})
