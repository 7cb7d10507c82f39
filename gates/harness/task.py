"""What the server asks the harness to do, as both sides read it. It travels as JSON on standard input."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class HarnessRequest:
    """One measurement: ``contract``, ``coverage`` or ``mutation``.

    ``entrypoints`` are those of the contract; for ``contract`` each has ``previous``: its earlier version or
    ``None``.
    """

    kind: str
    entrypoints: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True)
class HarnessTask:
    """The measurements of one block.

    - ``sources`` are name and text of its modules, the block's own first. The zygotes are told the names,
      too; everything else is for the planner alone. The texts are on no disk that a child can read: who could
      load the original would need no tests to tell a changed one.
    - ``seed`` decides the inputs of calls, so that everybody draws the same; ``secret`` decides the kinds and
      the order of changes, so that nobody can work them out from the block.
    - ``seconds`` is the time for each request, by the clock of ``ZygotePool``.
    """

    sources: Mapping[str, str]
    seed: str
    secret: str
    seconds: float
    requests: tuple[HarnessRequest, ...]

    def to_json(self) -> bytes:
        """The task as the harness reads it."""
        return json.dumps(asdict(self)).encode()


def parse_task(text: str | bytes) -> HarnessTask:
    """Read what ``HarnessTask.to_json`` wrote. Raises ``ValueError`` or ``TypeError`` for anything else."""
    # JSON has no tuples; a frozen value should hold no list.
    fields = json.loads(text)
    requests = tuple(HarnessRequest(each["kind"], tuple(each["entrypoints"])) for each in fields["requests"])
    return HarnessTask(**{**fields, "requests": requests})
