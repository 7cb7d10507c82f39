"""What the server asks the harness to do, as both sides read it. It travels as JSON on standard input."""

import json
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

    - ``name`` is the block's, ``private`` are the names of its private modules; the zygotes are told these,
      too. Everything else is for the planner alone.
    - ``seed`` decides the inputs of calls, so that everybody draws the same; ``secret`` decides the kinds and
      the order of changes, so that nobody can work them out from the block.
    - ``seconds`` is the wall time for each request; ``slack`` says how many times more than on a quiet
      machine that is.
    """

    name: str
    seed: str
    secret: str
    seconds: float
    slack: float
    requests: tuple[HarnessRequest, ...]
    private: tuple[str, ...] = ()

    def to_json(self) -> bytes:
        """The task as the harness reads it."""
        return json.dumps(asdict(self)).encode()


def parse_task(text: str | bytes) -> HarnessTask:
    """Read what ``HarnessTask.to_json`` wrote. Raises ``ValueError`` or ``TypeError`` for anything else."""
    # JSON has no tuples; a frozen value should hold no list.
    fields = json.loads(text)
    requests = tuple(HarnessRequest(each["kind"], tuple(each["entrypoints"])) for each in fields["requests"])
    return HarnessTask(**{**fields, "requests": requests, "private": tuple(fields["private"])})
