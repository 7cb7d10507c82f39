"""How one provider of the simulator behaves: its latency, and the faults that it shows."""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from providers.simulator.zoo import ZOO

PROVIDERS: Final = ("anthropic", "openai", "google")
KINDS: Final = (
    "status",  # an error answer with ``status``
    "rate_limit",  # 429 with ``retry_after``
    "hang",  # no answer for ``seconds``
    "cut",  # the connection ends halfway through an answer
    "reset",  # the connection ends before any answer
    "drip",  # one byte a time, ``seconds`` in all
    "empty",  # 200 and nothing
    "malformed",  # 200 and half a JSON text
    "stall",  # halfway through a stream nothing more for ``seconds``, then the rest
    "end",  # a stream that ends in order, but before its last events
    "repeat",  # every event of a stream twice
    "error_event",  # a stream that reports an error halfway
    "no_usage",  # an answer that does not say what it used
    "flood",  # an answer of 10 MB
    "length",  # stops at the length limit
    "refusal",
    "content_filter",
)


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong, and for which requests: at ``rate``, at most ``times``, or the first ``burst`` of each
    ``every``; only those to ``model`` or of ``stage``, where these are given.

    ``kind`` is one of ``KINDS`` or a name of the zoo.
    """

    kind: str
    rate: float = 1.0
    times: int | None = None
    every: int = 0
    burst: int = 1
    status: int = 500
    retry_after: float | None = None
    retry_after_style: str = "header"
    seconds: float = 3600.0
    model: str = ""
    stage: str = ""

    def __post_init__(self) -> None:
        if self.kind not in KINDS and self.kind not in ZOO:
            raise ValueError(f"fault kind {self.kind!r}: one of {', '.join([*KINDS, *ZOO])}")
        if self.retry_after_style not in {"header", "ms", "body", "reset", "date"}:
            raise ValueError("retry_after_style: one of header, ms, body, reset, date")

    def concerns(self, model: str, stage: str) -> bool:
        """Return whether the fault is meant for requests to ``model`` of ``stage``."""
        return self.model in ("", model) and self.stage in ("", stage)

    def hits_request(self, number: int, shown: int) -> bool:
        """Return whether request ``number`` (from 0) is hit when ``shown`` were hit before."""
        if self.times is not None and shown >= self.times:
            return False
        # A burst is exact, a rate is random: tests of recovery need the first, load tests the second.
        if self.every:
            return number % self.every < self.burst
        return self.rate >= 1.0 or random.random() < self.rate


@dataclass(frozen=True, slots=True)
class Behaviour:
    """Latency in seconds, uniform between its two ends; the output tokens that a model makes in a second, 0
    for all at once; and the faults in the order of trial.
    """

    latency: tuple[float, float] = (0.0, 0.0)
    faults: tuple[Fault, ...] = ()
    pace: float = 0.0

    @classmethod
    def parse(cls, given: Mapping[str, Any]) -> "Behaviour":
        """Parse a behaviour from JSON.

        ``{"latency": 0.2 | [0.1, 0.5] | "0.1-0.5", "pace": 140, "faults": [{"kind": "rate_limit", "times":
        3}]}``
        """
        unknown = set(given) - {"latency", "pace", "faults"}
        if unknown:
            raise ValueError(f"unknown: {', '.join(sorted(unknown))}; known: latency, pace, faults")
        pace = float(given.get("pace", 0.0))
        if not pace >= 0:
            raise ValueError(f"pace {pace!r}: output tokens a second, 0 for all at once")
        try:
            faults = tuple(Fault(**one) for one in given.get("faults", ()))
        except TypeError as error:
            raise ValueError(str(error)) from error
        return cls(_parse_span(given.get("latency", 0.0)), faults, pace)

    def wait_seconds(self) -> float:
        """Return the latency of one answer, in seconds."""
        low, high = self.latency
        return low if low == high else random.uniform(low, high)

    def generation_seconds(self, tokens: int) -> float:
        """Return how long a model takes for so many tokens of output."""
        return tokens / self.pace if self.pace else 0.0


def _parse_span(given: Any) -> tuple[float, float]:
    if isinstance(given, str):
        low, _, high = given.partition("-")
        given = [low, high or low]
    low, high = given if isinstance(given, list | tuple) else (given, given)
    if not 0 <= float(low) <= float(high):
        raise ValueError(f"latency {given!r}: seconds, the lower first")
    return float(low), float(high)
