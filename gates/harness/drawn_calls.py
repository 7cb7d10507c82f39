"""Compares changed code with the original by calls of its entry points with drawn inputs.

A change that tests did not notice may be one that nobody could notice. Where drawn inputs reach it and every
call ends as before, it is left out of the count; where calls end otherwise, the implementer is shown one.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from gates.harness.block_under_test import CPU_FLOOR, BlockUnderTest
from gates.harness.channel import split_report
from gates.harness.tree_edits import Edit
from gates.harness.value_generator import ValueGenerator
from gates.harness.zygote_pool import ChildResult

_INPUTS = 40
# Fewer distinct inputs than this show nothing.
_FEWEST_INPUTS = 10
_MAX_TEXT = 200
# Changed code gets so many times the processor time of the original, and where it was stopped so many times
# that: one that never ends is a difference that people are shown, so a busy machine must not make it.
_PATIENCE, _RERUN_TIMES = 6, 4

Entry = dict[str, Any]
# How a call ended: its result, or the class that it raised.
CallEnd = str


@dataclass(frozen=True)
class CallDifference:
    """How the calls of changed code ended.

    ``reached`` says that some input reaches the place of the change. Of ``compared`` calls ``differing``
    ended otherwise than those of the original; ``example`` is one of them, for people.
    """

    reached: bool
    compared: int
    differing: int
    example: str

    @property
    def is_equivalent(self) -> bool:
        """Whether the calls say that the change changes nothing."""
        return self.reached and self.compared >= _FEWEST_INPUTS and self.differing == 0


@dataclass(frozen=True)
class _Baseline:
    """The inputs of one entry point, how calls of the original ended, and their processor seconds."""

    entry: Entry
    inputs: list[Any]
    ends: list[CallEnd] = field(default_factory=list)
    seconds: float = 0.0


class DrawnCalls:
    """Calls with inputs that were drawn once, for any number of changes."""

    def __init__(self, block: BlockUnderTest, entrypoints: Sequence[Entry], deadline: float) -> None:
        self.block, self.deadline = block, deadline
        self.entrypoints = entrypoints

    def compare(self, edits: Mapping[int, Edit]) -> dict[int, CallDifference]:
        """The difference that each of ``edits`` makes, by its number; none where nothing can be said."""
        if not edits or not self.entrypoints:
            return {}
        baselines = self._measure_original()
        if not baselines:
            return {}
        codes = {index: self.block.compile_change(edit) for index, edit in edits.items()}
        ends = self._call_all(codes, baselines)
        unchanged = [index for index in codes if not _list_differing(ends.get(index, {}), baselines)]
        # A call that ends as before may never have come near the change: raise there, and look again.
        raising = {index: self.block.compile_sabotage(edits[index]) for index in unchanged}
        reached = self._call_all(raising, baselines)
        found = {}
        for index in codes:
            differing = _list_differing(ends.get(index, {}), baselines)
            is_reached = bool(differing) or bool(_list_differing(reached.get(index, {}), baselines))
            compared = sum(len(ends[index].get(number, [])) for number in range(len(baselines)))
            example = differing[0] if differing else ""
            found[index] = CallDifference(is_reached, compared, len(differing), example)
        return found

    def _measure_original(self) -> list[_Baseline]:
        found = []
        for entry in self.entrypoints:
            draw = self.block.secret_draw(f"compare:{entry['call']}")
            values = ValueGenerator(entry["input"], draw).draw_values(_INPUTS)
            distinct = list({json.dumps(value, sort_keys=True): value for value in values}.values())
            if distinct:
                found.append(_Baseline(entry, distinct))
        # Twice, because code that draws or reads the clock ends otherwise each time.
        jobs = [self._make_job(self.block.code, baseline) for baseline in found for _ in range(2)]
        results = {result.id: result for result in self.block.pool.run(_number_jobs(jobs), self.deadline)}
        stable = []
        for number, baseline in enumerate(found):
            both = [results[place] for place in (2 * number, 2 * number + 1) if place in results]
            ends = [_read_ends(result) for result in both]
            if len(ends) == 2 and ends[0] and ends[0] == ends[1]:
                seconds = max(result.processor_seconds for result in both)
                stable.append(replace(baseline, ends=ends[0], seconds=seconds))
        return stable

    def _make_job(self, code: bytes, baseline: _Baseline) -> dict[str, Any]:
        """A run for the pool; before the original was measured, as long as its tests may take."""
        seconds = max(CPU_FLOOR, _PATIENCE * baseline.seconds) if baseline.ends else self.block.patience
        return self.block.test_job(code) | {
            "cpu": seconds,
            "call": baseline.entry["call"],
            "schema": json.dumps(baseline.entry["input"]),
            "inputs": json.dumps(baseline.inputs),
        }

    def _call_all(
        self, codes: Mapping[int, bytes], baselines: Sequence[_Baseline]
    ) -> dict[int, dict[int, list[CallEnd]]]:
        """How every call of each of ``codes`` ended, by code and entry point; empty where it did not end."""
        jobs: list[dict[str, Any]] = []
        keys: list[tuple[int, int]] = []
        for index, code in codes.items():
            for number, baseline in enumerate(baselines):
                jobs.append(self._make_job(code, baseline))
                keys.append((index, number))
        found: dict[int, dict[int, list[CallEnd]]] = {index: {} for index in codes}
        for result in self._run_patiently(jobs):
            index, number = keys[result.id]
            ends = _read_ends(result)
            # A call that stopped its process, or never ended, is a difference too.
            found[index][number] = ends or ["no result"] * len(baselines[number].inputs)
        return found

    def _run_patiently(self, jobs: Sequence[dict[str, Any]]) -> Iterator[ChildResult]:
        pool, slow = self.block.pool, []
        for result in pool.run(_number_jobs(jobs), self.deadline):
            if result.too_slow:
                slow.append(result.id)
            else:
                yield result
        again = ({**jobs[place], "id": place} for place in slow if pool.clock() < self.deadline)
        yield from pool.run_again(again, _RERUN_TIMES)


def _number_jobs(jobs: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for place, job in enumerate(jobs):
        yield {**job, "id": place}


def _read_ends(result: ChildResult) -> list[CallEnd]:
    """How the calls of one child ended; empty where it gave no report."""
    try:
        outcomes = json.loads(split_report(result.report)[1])["outcomes"]
        return [_describe_end(outcome) for outcome in outcomes]
    except (ValueError, KeyError, TypeError, RecursionError, AttributeError):
        return []


def _describe_end(outcome: dict[str, Any]) -> CallEnd:
    # The contract promises the class of an exception, not its text.
    if "raised" in outcome:
        return f"raises {outcome['raised'][0]}"
    if "output" in outcome:
        # As Python writes it, for the people who read an example.
        return repr(json.loads(json.dumps(outcome["output"], sort_keys=True), parse_float=_parse_float))
    return f"no JSON: {outcome.get('unfit', '')}"


def _parse_float(text: str) -> float:
    """In JSON 1 and 1.0 are the same number."""
    value = float(text)
    return int(value) if value.is_integer() else value


def _list_differing(ends: Mapping[int, Sequence[CallEnd]], baselines: Sequence[_Baseline]) -> list[str]:
    """The calls that ended otherwise, for people: the call, how it ended, and how it ends now."""
    found = []
    for number, after in ends.items():
        baseline = baselines[number]
        for value, before, now in zip(baseline.inputs, baseline.ends, after, strict=False):
            if before != now:
                call = f"{baseline.entry['call']}({repr(value)[:_MAX_TEXT]})"
                found.append(f"{call} gives {now[:_MAX_TEXT]} instead of {before[:_MAX_TEXT]}")
    # The shortest input is the one that people understand.
    return sorted(found, key=len)
