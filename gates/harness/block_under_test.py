"""The block under test as the planner sees it: text and tree, never a running module."""

import ast
import json
import math
import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from gates.harness.block_lines import join_modules, show_lines, show_sources
from gates.harness.channel import split_report
from gates.harness.decoys import DecoySource, disguise_edit
from gates.harness.mutants import list_mutants
from gates.harness.tree_edits import Edit, compile_modules, compile_smallest, put_in_edits
from gates.harness.zygote_pool import ChildResult, ZygotePool

# Limits never fall below these, in seconds: a run of a few milliseconds varies by more than its own length.
CPU_FLOOR, IDLE_FLOOR = 0.3, 2.0
# Fewer changes than this bring in second choices.
_FEW_MUTANTS = 40
TEST_OUTCOMES = frozenset({"passed", "failed", "skipped", "xfail", "none"})


class Unmeasurable(Exception):
    """The block cannot be judged further; the message is for its author."""


@dataclass(frozen=True)
class ReportedTest:
    """One test as a child reports it.

    ``asserted`` says that it failed by an assertion rather than by a crash.
    """

    outcome: str
    seconds: float
    text: str
    asserted: bool

    def to_json(self, sources: Mapping[str, str]) -> dict[str, Any]:
        """The part that the gate reads, with the lines of ``sources`` in its traceback."""
        text = show_sources(show_lines(self.text), sources)
        return {"outcome": self.outcome, "seconds": self.seconds, "text": text}


@dataclass(frozen=True)
class RunReport:
    """One run of the tests as a child reports it: what hostile code may have written, with its shape checked.

    ``arcs`` and ``contexts`` are there for a run under coverage: jumps between lines, and line to node ids of
    tests.
    """

    exit_code: int
    tests: dict[str, ReportedTest]
    errors: list[str]
    skipped_modules: int
    arcs: list[tuple[int, int]]
    contexts: dict[int, list[str]]

    @property
    def all_passed(self) -> bool:
        """Whether there are tests and every one passed."""
        return self.exit_code == 0 and {test.outcome for test in self.tests.values()} == {"passed"}


@dataclass
class BlockUnderTest:
    """A block in its folder, and its runs in a pool.

    - ``sources`` are name and text of its modules: the block's own first, then the private ones.
    - ``seed`` decides the inputs of calls, ``secret`` all other draws: see ``HarnessTask``.
    - ``patience`` is what the honest run may take, in seconds of processor time.
    - ``baseline`` and ``baseline_idle`` are what the honest run took, in seconds of processor time and idle,
      once ``measure`` has run.
    """

    folder: Path
    sources: Mapping[str, str]
    pool: ZygotePool
    seed: str
    secret: str
    patience: float
    tests: dict[str, ReportedTest] = field(default_factory=dict)
    tests_by_line: dict[int, set[str]] = field(default_factory=dict)
    # Lines that run while the block is imported, those of functions included.
    import_lines: set[int] = field(default_factory=set)
    baseline: float = 0.0
    baseline_idle: float = 0.0
    _measured: "tuple[RunReport, RunReport] | None" = None
    _refusal: str = ""

    @property
    def modules(self) -> list[str]:
        """The names of its modules."""
        return list(self.sources)

    @property
    def filenames(self) -> list[str]:
        """The files that compiled code names; they are on no disk."""
        return [str(self.folder / f"{name}.py") for name in self.sources]

    @cached_property
    def tree(self) -> ast.Module:
        """All modules as one tree, with the lines of ``block_lines``."""
        return join_modules([ast.parse(text) for text in self.sources.values()])

    def name_function(self, function: str) -> str:
        """The name that reports give a function of ``tree_edits``: with its module where that is private."""
        number, _, name = function.rpartition(":")
        return f"{self.modules[int(number)]}:{name}" if number else function

    @cached_property
    def mutants(self) -> list[Edit]:
        """Every change that can be made, once each; with second choices where they are few."""
        edits = self.drop_repeated(list_mutants(self.tree))
        if len(edits) < _FEW_MUTANTS:
            edits = self.drop_repeated(list_mutants(self.tree, extended=True))
        return edits

    @cached_property
    def decoys(self) -> DecoySource:
        """The changes that every run carries and that never happen."""
        return DecoySource(self.tree, self.mutants, self.secret_draw("decoys"))

    @cached_property
    def code(self) -> bytes:
        """The unchanged module, compiled."""
        return self.compile_change(None)

    def compile_change(self, edit: Edit | None, *, values_only: bool = False) -> bytes:
        """The module with one change, or none, among decoys that differ each time."""
        edits: list[Edit] = []
        # A null mutant is disguised already, and its decoys are drawn around it like any other's.
        if edit is not None:
            is_disguised = edit.operator == "null"
            disguised = edit if is_disguised else disguise_edit(edit, self.decoys.draw, happens=True)
            edits = list(disguised.parts)
        edits += self.decoys.draw_decoys(edit, values_only=values_only)
        with put_in_edits(edits):
            return compile_modules(self.tree, self.filenames)

    def compile_sabotage(self, edit: Edit) -> bytes:
        """The module that ends its process at the place of ``edit``."""
        edits = []
        for part in edit.parts:
            leave = ast.parse("__import__('os')._exit(0)").body[0]
            new = leave if isinstance(part.old, ast.stmt) else leave.value  # type: ignore[attr-defined]
            edits.append(replace(part, new=(new,), also=None))
        with put_in_edits(edits):
            return compile_modules(self.tree, self.filenames)

    def drop_repeated(self, edits: Iterable[Edit], known: Iterable[Edit] = ()) -> list[Edit]:
        """``edits`` without those that do not compile, change nothing, or repeat another.

        ``known`` are edits that count as seen.
        """
        seen = {compile_smallest(self.tree, edit) for edit in known}
        kept = []
        for edit in edits:
            try:
                code = compile_smallest(self.tree, edit)
            # For example a `continue` outside of a loop, or a number that has become a pattern.
            except (SyntaxError, ValueError, TypeError):
                continue
            if code is not None and code not in seen:
                seen.add(code)
                kept.append(edit)
        return kept

    def seeded_draw(self, purpose: str) -> random.Random:
        """A source of draws that depends only on the block and ``purpose``."""
        return random.Random(f"{self.seed}:{purpose}")

    def secret_draw(self, purpose: str) -> random.Random:
        """A source of draws that the block cannot foresee."""
        return random.Random(f"{self.secret}:{purpose}")

    def test_job(self, code: bytes, only: list[str] | None = None, measure: bool = False) -> dict[str, Any]:
        """A run of the tests against ``code``, for the pool.

        Its limits grow with what the honest run took, a moment ago, on the same machine.
        """
        # Six times: a mutant may take a longer way and still be detected by an assertion.
        cpu = max(CPU_FLOOR, 6 * self.baseline)
        idle = max(IDLE_FLOOR, 6 * self.baseline_idle)
        return {"code": code, "only": only, "measure": measure, "quick": True, "cpu": cpu, "idle": idle}

    def measure(self) -> tuple[RunReport, RunReport]:
        """The honest run twice: bare, and under coverage. Raises ``Unmeasurable`` when there is no report."""
        # Once for all measurements: tests that never end would cost each of them the same time.
        if self._refusal:
            raise Unmeasurable(self._refusal)
        if self._measured is None:
            try:
                self._measured = self._run_unchanged()
            except Unmeasurable as refusal:
                self._refusal = str(refusal)
                raise
        return self._measured

    def _run_unchanged(self) -> tuple[RunReport, RunReport]:
        patient = {"cpu": self.patience, "idle": self.patience, "quick": False}
        bare = self.pool.run_one(self.test_job(self.code) | patient)
        honest = read_report(bare)
        # A decoy that adds a branch would be counted as one of the block's.
        quiet = self.compile_change(None, values_only=True)
        # Behind a name and a stack that are not those of tests: the results must not depend on them.
        other_caller = {"recursion_limit": self.secret_draw("callers").randint(1100, 1900)}
        under_coverage = self.pool.run_one(self.test_job(quiet, measure=True) | patient | other_caller)
        measured = read_report(under_coverage)
        # The bare run sets the limits: coverage would double what a mutant may take.
        self.baseline, self.baseline_idle = bare.processor_seconds, bare.idle_seconds
        self.tests = honest.tests
        for line, names in measured.contexts.items():
            self.tests_by_line[line] = {name for name in names if name in self.tests}
            if "" in names:
                self.import_lines.add(line)
        return honest, measured

    def select_tests(self, edit: Edit) -> list[str] | None:
        """The tests that reach an edit; ``None`` is all of them, for code that runs on import."""
        names: set[str] = set()
        for part in edit.parts:
            lines = range(part.first, part.last + 1)
            if not part.function or not self.import_lines.isdisjoint(lines):
                return None
            for line in lines:
                names |= self.tests_by_line.get(line, set())
        return sorted(names)


def read_report(result: ChildResult) -> RunReport:
    """Parse a child's report. Raises ``Unmeasurable``: no report is never a pass."""
    last, text = split_report(result.report)
    if result.too_slow:
        started = last or "The import of the module or its tests"
        raise Unmeasurable(f"{started} did not end in time.")
    try:
        report = json.loads(text)
    except (ValueError, RecursionError) as error:
        where = last or "the import of the module or its tests"
        message = f"The test run ended without a result: {where} stopped the process."
        raise Unmeasurable(message) from error
    try:
        return _parse_report(report)
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise Unmeasurable("The test run's result is malformed.") from error


def _parse_report(report: Any) -> RunReport:
    """Raises an error of any of the kinds that ``read_report`` lists for what is not a report."""
    exit_code, skipped_modules = report["exit"], report["skipped_modules"]
    # Not isinstance: True is an int in Python.
    if type(exit_code) is not int or type(skipped_modules) is not int or skipped_modules < 0:
        raise ValueError("not a count")
    return RunReport(
        # pytest's other codes say why it stopped; for a verdict they are all the same.
        exit_code=0 if exit_code == 0 else 1,
        tests={name: _parse_test(test) for name, test in report["tests"].items()},
        errors=[show_lines(_require_text(text)) for text in report["errors"]],
        skipped_modules=skipped_modules,
        arcs=[_parse_arc(arc) for arc in report.get("arcs", [])],
        contexts={
            int(line): [_require_text(name) for name in names]
            for line, names in report.get("contexts", {}).items()
        },
    )


def _parse_test(test: Any) -> ReportedTest:
    outcome, seconds = test["outcome"], test["seconds"]
    # JSON as Python reads it has NaN and Infinity.
    if outcome not in TEST_OUTCOMES or not math.isfinite(seconds) or not 0 <= seconds < 1_000_000:
        raise ValueError("not a test")
    asserted = test.get("asserted") is True
    return ReportedTest(outcome, float(seconds), _require_text(test["text"]), asserted)


def _parse_arc(arc: Any) -> tuple[int, int]:
    start, end = arc
    if type(start) is not int or type(end) is not int:
        raise TypeError("not an arc")
    return start, end


def _require_text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value


def judge_edit_run(result: ChildResult, selected: list[str] | None) -> str:
    """How a run under an edit ended, in the words of Stryker's report.

    ``Killed`` is by an assertion, ``RuntimeError`` by a crash: the change was impossible rather than noticed.
    The others are ``Timeout`` and ``Survived``. ``selected`` are the tests that had to run; ``None`` means
    all.
    """
    if result.too_slow:
        return "Timeout"
    try:
        report = read_report(result)
    # A run that ends without a report did not pass.
    except Unmeasurable:
        return "RuntimeError"
    if any(test.asserted for test in report.tests.values()):
        return "Killed"
    # A test that did not run cannot have passed.
    complete = selected is None or len(report.tests) == len(selected)
    return "Survived" if complete and report.all_passed else "RuntimeError"
