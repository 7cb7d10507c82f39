"""How long each stage of each flow takes, and which flows need repair: drawn once, the same for both
versions.

Read without Django too. Times are log-normal with the means of the pilot. 30 % of the flows need one repair
and 5 % two. Of those two, half are two failures of the gates; in the other half the reviewer objects as well,
to files that the gates reject too. One after the other, the reviewer says so a round later; side by side, at
once.
"""

import math
import random
from dataclasses import dataclass

from bench.scale import choose_size

SEED = 16
SIGMA = 0.35
MEAN_SECONDS = {
    "context": 5.0,
    "plan": 16.0,
    "implement": 30.0,
    "verify": 7.0,
    "review": 12.0,
    "docs": 10.0,
    "seal": 0.0,
}
EDIT_SECONDS = 10.0
"""A repair that answers with edits; version 1 wrote the whole block again."""
ONE_REPAIR, TWO_REPAIRS = 0.30, 0.05
SCALE = choose_size(full=1.0, small=0.002)
"""Seconds of the run for a second of the draw."""


@dataclass(frozen=True, slots=True)
class Defects:
    """What is wrong with a flow's block: rounds that the gates reject, and whether the reviewer objects
    once.
    """

    gate_rounds: int
    review_objects: bool


def draw_defects(flow: int) -> Defects:
    """The defects of the flow with this number."""
    chance = random.Random(f"{SEED} defects {flow}")
    lot = chance.random()
    if lot >= ONE_REPAIR + TWO_REPAIRS:
        return Defects(0, review_objects=False)
    if lot >= TWO_REPAIRS:
        return Defects(1, review_objects=False)
    review_objects = chance.random() < 0.5
    return Defects(1 if review_objects else 2, review_objects=review_objects)


def draw_seconds(flow: int, kind: str, run: int, *, edits: bool) -> float:
    """How long the ``run``-th stage of ``kind`` of a flow takes, in seconds of the draw."""
    mean = EDIT_SECONDS if kind == "implement" and run > 1 and edits else MEAN_SECONDS[kind]
    if not mean:
        return 0.0
    chance = random.Random(f"{SEED} {flow} {kind} {run}")
    return mean * math.exp(chance.gauss(0.0, SIGMA) - SIGMA * SIGMA / 2)


def sum_seconds(flow: int, *, side_by_side: bool) -> float:
    """How long the flow takes on an engine that costs nothing, in seconds of the draw."""
    defects = draw_defects(flow)
    took = sum(draw_seconds(flow, kind, 1, edits=side_by_side) for kind in ("context", "plan", "implement"))
    runs = 1 + max(defects.gate_rounds, int(defects.review_objects))
    if side_by_side:
        for run in range(1, runs + 1):
            took += draw_seconds(flow, "implement", run, edits=True) if run > 1 else 0.0
            took += max(draw_seconds(flow, kind, run, edits=True) for kind in ("verify", "review", "docs"))
        return took
    # The reviewer sees a block only after the gates have passed it.
    runs = 1 + defects.gate_rounds + int(defects.review_objects)
    for run in range(1, runs + 1):
        took += draw_seconds(flow, "implement", run, edits=False) if run > 1 else 0.0
        took += draw_seconds(flow, "verify", run, edits=False)
    # A reviewer that objects runs again in the last round.
    for run in {1, runs if defects.review_objects else 1}:
        took += draw_seconds(flow, "review", run, edits=False)
    return took + draw_seconds(flow, "docs", 1, edits=False)
