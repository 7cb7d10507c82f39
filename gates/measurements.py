"""What the harness measured, as typed values with bounds.

The harness runs in the sandbox beside hostile code, so its answer is input from outside. Each ``parse_*``
function reads one answer once and raises ``HarnessFailed`` for anything malformed, out of bounds or
contradictory: that does not count as a result, and without a result nothing passes. Texts lose what
PostgreSQL cannot store (NUL characters and lone surrogates).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from gates.errors import HarnessFailed

# Far above what a block of 256 KB can have, far below what would hurt.
MAX_COUNT = 10_000_000
MAX_ITEMS = 100_000
MAX_TEXT = 16 << 20
MAX_SECONDS = 1_000_000.0
TEST_OUTCOMES = frozenset({"passed", "failed", "skipped", "xfail", "none"})
# "compatibility" is a breach of the previous version's contract, "plan" of an example of the plan, and
# "conditions" a result that depends on clock, environment, logging or pytest.
_BREACH_KINDS = frozenset({"contract", "compatibility", "plan", "conditions"})


@dataclass(frozen=True, slots=True)
class MeasuredTest:
    """One test of the honest run. ``text`` is its traceback; empty where there is none."""

    outcome: str
    seconds: float
    text: str


@dataclass(frozen=True, slots=True, order=True)
class LineRange:
    """Lines ``first`` to ``last`` of the module, both included."""

    first: int
    last: int


@dataclass(frozen=True, slots=True)
class UnreachedPart:
    """A part of line ``line`` that no test computes, for example an arm of a conditional expression."""

    line: int
    source: str


@dataclass(frozen=True, slots=True)
class CoverageMeasurement:
    """The answer to the task ``coverage``.

    - ``tests`` and ``second_run`` are by node id; ``errors`` are those of collecting the tests.
    - ``inner_*`` count only statements in functions, because what runs on import is covered by importing.
    - ``unrun`` sabotages found no time; ``feasible`` says whether a quiet machine would have had it.
    - ``json_report`` and ``xml_report`` are coverage.py's own.
    """

    exit_code: int
    tests: Mapping[str, MeasuredTest]
    errors: tuple[str, ...]
    skipped_modules: int
    second_run: Mapping[str, str]
    statements: int
    executed: int
    inner_statements: int
    inner_executed: int
    branches: int
    branches_taken: int
    uncovered: tuple[LineRange, ...]
    sabotages: int
    sabotages_killed: int
    sabotages_survived: tuple[LineRange, ...]
    unreached_parts: tuple[UnreachedPart, ...]
    null_mutants_killed: int
    unrun: int
    feasible: bool
    json_report: str
    xml_report: str


class MutantStatus(StrEnum):
    """The fate of a mutant, in the words of Stryker's report."""

    # An assertion failed: a test saw a wrong value.
    KILLED = "Killed"
    # The changed code crashed, so that no test had a value to look at.
    CRASHED = "RuntimeError"
    TIMEOUT = "Timeout"
    SURVIVED = "Survived"
    NO_COVERAGE = "NoCoverage"
    # Drawn calls reach the change and end as before: no test could notice it.
    EQUIVALENT = "Ignored"
    PENDING = "Pending"

    @property
    def is_missed(self) -> bool:
        """Whether a test could have noticed the change, and none did."""
        return self in (MutantStatus.SURVIVED, MutantStatus.NO_COVERAGE, MutantStatus.PENDING)


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change to the module and its fate.

    Lines count from 1, columns from 0. ``function`` is empty for code that runs on import. ``covered_by``
    names the tests that were run; ``None`` is all of them. Of ``compared`` calls with drawn inputs
    ``differing`` ended otherwise than without the change; ``example`` says how one of them did.
    """

    operator: str
    line: int
    column: int
    end_line: int
    end_column: int
    function: str
    original: str
    replacement: str
    status: MutantStatus
    covered_by: tuple[str, ...] | None
    compared: int
    differing: int
    example: str


@dataclass(frozen=True, slots=True)
class MutationMeasurement:
    """The answer to the task ``mutation``.

    ``stand_ins`` are functions with other results, one for each entry point that returns something; their
    ``function`` is the entry point. ``small`` says that pairs of changes were added, because there were few.
    ``unrun`` and ``feasible`` as in ``CoverageMeasurement``.
    """

    mutants: tuple[Mutant, ...]
    stand_ins: tuple[Mutant, ...]
    small: bool
    null_mutants: int
    null_mutants_run: int
    null_mutants_killed: int
    unrun: int
    feasible: bool


@dataclass(frozen=True, slots=True)
class Breach:
    """A call that broke the contract. ``arguments`` is its input as JSON values."""

    kind: str
    arguments: Any
    reason: str


@dataclass(frozen=True, slots=True)
class EntryPointMeasurement:
    """The calls of one entry point.

    Of the ``tried`` calls ``normal`` ended in a result and ``breached`` broke the contract; ``breaches`` are
    the first of these. ``drawn`` counts the inputs that could be drawn from its schema and precondition,
    ``admitted`` the different ones that the schema alone admits, ``examples`` the inputs of examples,
    ``distinct`` the drawn ones that differ, and ``results`` those of them that ended in a result, as
    ``example_results`` of the examples did. ``raised``
    are the names of the exceptions that calls ended in, with those that they inherit from.
    """

    call: str
    tried: int
    drawn: int
    admitted: int
    examples: int
    distinct: int
    results: int
    example_results: int
    raised: frozenset[str]
    normal: int
    breached: int
    breaches: tuple[Breach, ...]


@dataclass(frozen=True, slots=True)
class ContractMeasurement:
    """The answer to the task ``contract``."""

    entry_points: tuple[EntryPointMeasurement, ...] = ()

    @property
    def tried(self) -> int:
        """Calls over all entry points."""
        return sum(entry.tried for entry in self.entry_points)

    @property
    def breached(self) -> int:
        """Breaches over all entry points."""
        return sum(entry.breached for entry in self.entry_points)


def parse_coverage(answer: Any) -> CoverageMeasurement:
    """Parse the answer to the task ``coverage``. Raises ``HarnessFailed``."""
    fields = _Fields(answer)
    # Wholes first: the parts below must not exceed them.
    reports = fields.object("reports")
    statements = fields.count("statements")
    inner_statements = fields.count("inner_statements", at_most=statements)
    branches = fields.count("branches")
    sabotages = fields.count("sabotages")
    return CoverageMeasurement(
        exit_code=fields.count("exit", at_most=1),
        tests={name: _parse_test(test) for name, test in fields.named("tests")},
        errors=fields.texts("errors"),
        skipped_modules=fields.count("skipped_modules"),
        second_run={name: _parse_outcome(outcome) for name, outcome in fields.named("second_run")},
        statements=statements,
        executed=fields.count("executed", at_most=statements),
        inner_statements=inner_statements,
        inner_executed=fields.count("inner_executed", at_most=inner_statements),
        branches=branches,
        branches_taken=fields.count("branches_taken", at_most=branches),
        uncovered=_parse_ranges(fields, "uncovered"),
        sabotages=sabotages,
        sabotages_killed=fields.count("sabotages_killed", at_most=sabotages),
        sabotages_survived=_parse_ranges(fields, "sabotages_survived"),
        unreached_parts=tuple(map(_parse_part, fields.items("unreached_parts"))),
        null_mutants_killed=fields.count("nulls_killed", at_most=fields.count("nulls")),
        unrun=fields.count("unrun"),
        feasible=fields.flag("feasible"),
        json_report=reports.text("coverage.json"),
        xml_report=reports.text("coverage.xml"),
    )


def _parse_part(value: Any) -> UnreachedPart:
    fields = _Fields(value)
    return UnreachedPart(fields.count("line", at_least=1), fields.text("source"))


def _parse_test(value: Any) -> MeasuredTest:
    fields = _Fields(value)
    return MeasuredTest(
        outcome=_parse_outcome(fields.text("outcome")),
        seconds=fields.seconds("seconds"),
        text=fields.text("text"),
    )


def _parse_outcome(value: Any) -> str:
    if not isinstance(value, str) or value not in TEST_OUTCOMES:
        raise _malformed("a test's outcome")
    return value


def _parse_ranges(fields: "_Fields", name: str) -> tuple[LineRange, ...]:
    ranges = []
    for value in fields.items(name):
        match value:
            case [int(first), int(last)] if 1 <= first <= last <= MAX_COUNT:
                ranges.append(LineRange(first, last))
            case _:
                raise _malformed(name)
    return tuple(ranges)


def parse_mutation(answer: Any) -> MutationMeasurement:
    """Parse the answer to the task ``mutation``. Raises ``HarnessFailed``."""
    fields = _Fields(answer)
    null_mutants = fields.count("nulls")
    # Only those that were run can have been killed.
    null_mutants_run = fields.count("nulls_run", at_most=null_mutants)
    return MutationMeasurement(
        mutants=tuple(_parse_mutant(value) for value in fields.items("mutants")),
        stand_ins=tuple(_parse_mutant(value) for value in fields.items("stand_ins")),
        small=fields.flag("small"),
        null_mutants=null_mutants,
        null_mutants_run=null_mutants_run,
        null_mutants_killed=fields.count("nulls_killed", at_most=null_mutants_run),
        unrun=fields.count("unrun"),
        feasible=fields.flag("feasible"),
    )


def _parse_mutant(value: Any) -> Mutant:
    fields = _Fields(value)
    try:
        status = MutantStatus(fields.text("status"))
    except ValueError:
        raise _malformed("a mutant's status") from None
    covered_by = None if fields.value("covered_by") is None else fields.texts("covered_by")
    compared = fields.count("compared")
    return Mutant(
        operator=fields.text("operator"),
        line=fields.count("line", at_least=1),
        column=fields.count("column"),
        end_line=fields.count("end_line", at_least=1),
        end_column=fields.count("end_column"),
        function=fields.text("function"),
        original=fields.text("original"),
        replacement=fields.text("replacement"),
        status=status,
        covered_by=covered_by,
        compared=compared,
        differing=fields.count("differing", at_most=compared),
        example=fields.text("example"),
    )


def parse_contract_calls(answer: Any) -> ContractMeasurement:
    """Parse the answer to the task ``contract``. Raises ``HarnessFailed``."""
    entries = _Fields(answer).items("entrypoints")
    return ContractMeasurement(tuple(_parse_entry_point(entry) for entry in entries))


def _parse_entry_point(value: Any) -> EntryPointMeasurement:
    fields = _Fields(value)
    tried = fields.count("tried")
    return EntryPointMeasurement(
        call=fields.text("call"),
        tried=tried,
        drawn=fields.count("drawn"),
        admitted=fields.count("admitted"),
        examples=fields.count("examples", at_most=tried),
        distinct=fields.count("distinct", at_most=tried),
        results=fields.count("results", at_most=fields.count("distinct")),
        example_results=fields.count("example_results", at_most=fields.count("examples")),
        raised=frozenset(fields.texts("raised")),
        normal=fields.count("normal", at_most=tried),
        # A call breaks the contract once at most.
        breached=fields.count("breached", at_most=tried),
        breaches=tuple(_parse_breach(breach) for breach in fields.items("breaches")),
    )


def _parse_breach(value: Any) -> Breach:
    fields = _Fields(value)
    kind = fields.text("kind")
    if kind not in _BREACH_KINDS:
        raise _malformed("a breach's kind")
    return Breach(kind, fields.value("input"), fields.text("why"))


class _Fields:
    """One JSON object of an answer, read field by field. Each reader raises ``HarnessFailed``."""

    def __init__(self, value: Any) -> None:
        if not isinstance(value, dict):
            raise _malformed("an object")
        self._values = value

    def value(self, name: str) -> Any:
        if name not in self._values:
            raise _malformed(name)
        return self._values[name]

    def count(self, name: str, *, at_least: int = 0, at_most: int = MAX_COUNT) -> int:
        value = self.value(name)
        # True is an int in Python, and is not a count.
        if isinstance(value, bool) or not isinstance(value, int) or not at_least <= value <= at_most:
            raise _malformed(name)
        return value

    def seconds(self, name: str) -> float:
        value = self.value(name)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise _malformed(name)
        # JSON as Python reads it has NaN and Infinity; NaN fails every comparison.
        if not (0 <= value <= MAX_SECONDS and math.isfinite(value)):
            raise _malformed(name)
        return float(value)

    def flag(self, name: str) -> bool:
        value = self.value(name)
        if not isinstance(value, bool):
            raise _malformed(name)
        return value

    def text(self, name: str) -> str:
        return _parse_text(self.value(name), name)

    def texts(self, name: str) -> tuple[str, ...]:
        return tuple(_parse_text(item, name) for item in self.items(name))

    def items(self, name: str) -> list[Any]:
        value = self.value(name)
        # A bound on the number too: 16 MB of "[]," are five million objects.
        if not isinstance(value, list) or len(value) > MAX_ITEMS:
            raise _malformed(name)
        return value

    def object(self, name: str) -> "_Fields":
        return _Fields(self.value(name))

    def named(self, name: str) -> list[tuple[str, Any]]:
        """The members of an object whose names are data, for example node ids of tests."""
        value = self.value(name)
        if not isinstance(value, dict) or len(value) > MAX_ITEMS:
            raise _malformed(name)
        return [(_parse_text(key, name), item) for key, item in value.items()]


def _parse_text(value: Any, name: str) -> str:
    if not isinstance(value, str) or len(value) > MAX_TEXT:
        raise _malformed(name)
    # Both become question marks, so that positions in the text stay as they were.
    return value.encode("utf-8", "replace").decode().replace("\0", "?")


def _malformed(what: str) -> HarnessFailed:
    return HarnessFailed(f"the harness gave a malformed result ({what})")
