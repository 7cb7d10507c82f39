"""``python -m tests.mutation [MODULE ...]``: which changes of the engine and the limiter do tests notice?

The mutants are those that the mutation gate makes of generated code (``gates.harness.mutants``). A mutant
that makes a test fail is killed. Of each mutant only those tests run that reach its line, the fastest first,
until one fails. They run in a fork of a process that has loaded everything, in which the mutated function
gets its new code. A mutant of code that runs on import is loaded by a process of its own.

Writes ``bench/results/mutation.json``: mutants found, run and killed, and the rate in per cent, for each
module and in all; a run of some modules leaves the figures of the others as they are. Prints the survivors
that ``equivalents.txt`` does not explain. ``MUTATION_SECONDS`` bounds the time: of each module a fair share
of the mutants then runs, in a random order that is the same each time, and the module counts as sampled.
"""

import ast
import json
import marshal
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from gates.harness.mutants import list_mutants
from gates.harness.tree_edits import Edit
from tests.mutation import forked_runs
from tests.mutation.changed_code import find_changes, list_functions, load_changes
from tests.mutation.forked_runs import NOT_LOADED, PASSED, ForkedRuns, Reach

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "bench/results/mutation.json"
EQUIVALENTS = Path(__file__).with_name("equivalents.txt")
# Tests whose work is done by other processes would never see a mutant.
ENGINE_TESTS = (
    "tests/flows/engine/test_broker.py",
    "tests/flows/engine/test_dispatch_queue.py",
    "tests/flows/engine/test_event_data.py",
    "tests/flows/engine/test_forks.py",
    "tests/flows/engine/test_holds.py",
    "tests/flows/engine/test_interleavings.py",
    "tests/flows/engine/test_protocol.py",
    "tests/flows/engine/test_results.py",
    "tests/flows/engine/test_runner.py",
    "tests/flows/engine/test_verbs.py",
    "tests/flows/engine/test_virtual_clock.py",
    "tests/flows/quotas/test_money.py",
    "tests/flows/quotas/test_turns.py",
    "tests/flows/quotas/test_wait_ends.py",
    "tests/flows/test_budget.py",
    "tests/rest/test_create.py",
)
LIMITER_TESTS = (
    "tests/providers/limits/test_admission.py",
    "tests/providers/limits/test_breakers.py",
    "tests/providers/limits/test_error_policy.py",
    "tests/providers/limits/test_limiter.py",
    "tests/providers/limits/test_limiter_model.py",
    "tests/providers/limits/test_provider_calls.py",
)
# The one that the process runs before it forks: without a database, a thread or a client of its own.
FIRST_TEST = "tests/mutation/test_mutation.py::test_the_rate_is_that_of_the_mutants_that_ran"
# A mutant may wait for ever. This many times the tests' own time is a kill.
PATIENCE = 4
LEAST_PATIENCE_SECONDS = 15
OPTIONS = (
    "-q",
    "--no-header",
    "--reuse-db",
    "-p",
    "no:cacheprovider",
    "-p",
    "no:randomly",
    "-p",
    "no:xdist",
    "--capture=sys",
)


@dataclass(frozen=True)
class Survivor:
    """A mutant that no test notices. ``change`` names its module and function, the code before and after."""

    line: int
    change: str


@dataclass(frozen=True)
class Outcome:
    """The mutants of one module: how many there are, how many ran and were killed, and which survived."""

    module: str
    found: int
    run: int
    killed: int
    survivors: tuple[Survivor, ...]

    @property
    def unexplained(self) -> tuple[Survivor, ...]:
        """The survivors that a test could notice, as far as anybody has found out."""
        known = read_equivalents()
        return tuple(survivor for survivor in self.survivors if survivor.change not in known)


def list_modules() -> dict[str, tuple[str, ...]]:
    """Path of each module to the files of the tests that have to notice its mutants."""
    engine = sorted((ROOT / "orchestrator/flows/engine").glob("*.py"))
    modules: dict[str, tuple[str, ...]] = {
        str(path.relative_to(ROOT)): ENGINE_TESTS for path in engine if path.name != "__init__.py"
    }
    return modules | {"providers/limiter.py": LIMITER_TESTS, "providers/admission.py": LIMITER_TESTS}


def order_mutants(mutants: list[Edit]) -> list[Edit]:
    """The mutants in a random order that is the same each time, so that the first ones are a fair share."""
    ordered = list(mutants)
    random.Random(len(ordered)).shuffle(ordered)
    return ordered


@cache
def read_equivalents() -> dict[str, str]:
    """The change of a survivor, as it is printed, to the reason why no test can notice it."""
    lines = [line.split("  # ") for line in EQUIVALENTS.read_text(encoding="utf-8").splitlines()]
    return {line[0]: line[1] for line in lines if len(line) == 2}


class Judge:
    """Runs the mutants of one module."""

    def __init__(self, path: str, runs: ForkedRuns, reach: Reach) -> None:
        self._path = path
        self._file = str(ROOT / path)
        self._runs = runs
        self._reach = reach
        self._tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
        self._original = compile(self._tree, self._file, "exec", dont_inherit=True)
        # Once, and not in each fork: a look at all objects takes longer than most tests.
        self._functions = list_functions(self._file)

    def judge(self, seconds_each: float) -> Outcome:
        """Run the mutants, for so many seconds for each of them in all."""
        mutants, survivors, ran = list_mutants(self._tree), [], 0
        end = time.monotonic() + seconds_each * len(mutants)
        for mutant in order_mutants(mutants):
            if time.monotonic() > end:
                break
            ran += 1
            if not self.is_killed(mutant):
                survivors.append(describe_mutant(self._path, self._tree, mutant))
        return Outcome(self._path, len(mutants), ran, ran - len(survivors), tuple(survivors))

    def is_killed(self, mutant: Edit) -> bool:
        """Whether a test fails, or never ends. What is known to change nothing is not run."""
        if describe_mutant(self._path, self._tree, mutant).change in read_equivalents():
            return False
        code = mutant.compile(self._tree, self._file)
        changes = find_changes(self._original, marshal.loads(code))  # noqa: S302 - compiled a moment ago
        if changes is None:
            # A module that only defines classes is not reached while a test runs, yet any test may use them.
            return self._run_alone(code, self._reach.order_tests(self._file) or self._reach.order_tests())
        tests = self._reach.order_tests(self._file, range(mutant.first, mutant.last + 1))
        # Where no test comes there is nothing to run.
        if not tests:
            return False
        outcome = self._runs.run_tests(
            tests, lambda: load_changes(changes, self._functions), self._measure_patience(tests)
        )
        if outcome == NOT_LOADED:
            return self._run_alone(code, tests)
        return outcome != PASSED

    def _run_alone(self, code: bytes, tests: list[str]) -> bool:
        """In a process that loads the mutant in place of the module, by ``plugin``."""
        with tempfile.NamedTemporaryFile() as kept:
            Path(kept.name).write_bytes(code)
            name = self._path.removesuffix(".py").replace("/", ".")
            mutant = {"MUTANT_MODULE": name, "MUTANT_CODE": kept.name}
            command = [sys.executable, "-m", "pytest", "-p", "tests.mutation.plugin", *OPTIONS, "-x", *tests]
            try:
                done = subprocess.run(
                    command,
                    cwd=ROOT,
                    env=os.environ | mutant,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    timeout=60 + self._measure_patience(tests),
                    check=False,
                )
            except subprocess.TimeoutExpired:
                return True
        return done.returncode != 0

    def _measure_patience(self, tests: list[str]) -> float:
        return LEAST_PATIENCE_SECONDS + PATIENCE * sum(self._reach.seconds[test] for test in tests)


def describe_mutant(path: str, tree: ast.Module, mutant: Edit) -> Survivor:
    """The mutant as people and ``equivalents.txt`` name it: by its function, or by what an import defines."""
    before, after = (" ".join(text.split()) for text in mutant.describe())
    place = mutant.function or f"import {_name_definition(tree, mutant.first)}"
    return Survivor(mutant.first, f"{path} {place}: {before} -> {after}")


def _name_definition(tree: ast.Module, line: int) -> str:
    """The innermost name that is assigned or defined at ``line``."""
    kinds = ast.Assign | ast.AnnAssign | ast.FunctionDef | ast.ClassDef
    around = [node for node in ast.walk(tree) if isinstance(node, kinds)]
    inner = max(
        (node for node in around if node.lineno <= line <= (node.end_lineno or 0)),
        key=lambda node: node.lineno,
    )
    if isinstance(inner, ast.FunctionDef | ast.ClassDef):
        return inner.name
    return ast.unparse(inner.targets[0] if isinstance(inner, ast.Assign) else inner.target)


def judge_modules(paths: list[str], tests: tuple[str, ...], seconds_each: float) -> list[Outcome]:
    """Run the mutants of ``paths``; raises ``RuntimeError`` where ``tests`` fail without a mutant."""
    outcomes: list[Outcome] = []

    def work(runs: ForkedRuns) -> None:
        reach = runs.measure_reach(ROOT / path for path in paths)
        if reach.failed:
            raise RuntimeError(f"these tests fail without a mutant: {' '.join(reach.failed)}")
        for path in paths:
            outcome = Judge(path, runs, reach).judge(seconds_each)
            outcomes.append(outcome)
            sys.stderr.write(f"{path}: {outcome.killed} of {outcome.run} killed, {outcome.found} found\n")
            sys.stderr.writelines(f"  {one.line:4} {one.change}\n" for one in outcome.unexplained)
            sys.stderr.flush()
        fastest = sorted(reach.seconds, key=reach.seconds.__getitem__)[:20]
        if runs.run_tests(fastest, lambda: True, seconds=300) != PASSED:
            raise RuntimeError("the tests fail after the mutants: one of them has left something behind")

    # Parts of pytest write to the standard output, which is for the figures.
    status = pytest.main([*OPTIONS, FIRST_TEST, *tests], plugins=[forked_runs, ForkedRuns(FIRST_TEST, work)])
    if status != pytest.ExitCode.OK:
        raise RuntimeError(f"pytest ended with {status!r}")
    return outcomes


FIGURES = ("found", "mutants", "killed", "equivalent")


def flatten_results(outcomes: list[Outcome], earlier: Mapping[str, float] | None = None) -> dict[str, float]:
    """Each figure under a key of its own; rates in per cent of the mutants that ran.

    ``earlier`` has the figures of an earlier run, which are kept for the modules that did not run now.
    """
    by_module = {
        _name_module(path): _read_figures(_name_module(path), earlier or {}) for path in list_modules()
    }
    for outcome in outcomes:
        equivalent = len(outcome.survivors) - len(outcome.unexplained)
        by_module[_name_module(outcome.module)] = (outcome.found, outcome.run, outcome.killed, equivalent)
    counted = {name: figures for name, figures in by_module.items() if figures is not None}
    found, ran, killed, equivalent = (sum(column) for column in zip(*counted.values(), strict=True))
    results: dict[str, float] = {
        "found": found,
        "mutants": ran,
        "killed": killed,
        "equivalent": equivalent,
        "unexplained": ran - killed - equivalent,
        "rate": round(100 * killed / max(1, ran), 1),
        "modules": len(counted),
        "modules_sampled": sum(figures[1] < figures[0] for figures in counted.values()),
    }
    for name, figures in counted.items():
        results |= {f"{name}_{key}": value for key, value in zip(FIGURES, figures, strict=True)}
        results[f"{name}_rate"] = round(100 * figures[2] / max(1, figures[1]), 1)
    return results


def _name_module(path: str) -> str:
    return path.removesuffix(".py").replace("/", ".")


def _read_figures(name: str, earlier: Mapping[str, float]) -> tuple[float, ...] | None:
    """The figures of one module, ``None`` where it has never run."""
    keys = [f"{name}_{key}" for key in FIGURES]
    return tuple(earlier[key] for key in keys) if all(key in earlier for key in keys) else None


def main(argv: list[str]) -> int:
    """Judge the modules that ``argv`` names, or all; print the survivors; write the results.

    Exit code 1 where a mutant survived that ``equivalents.txt`` does not explain.
    """
    modules = list_modules()
    unknown = [path for path in argv if path not in modules]
    if unknown:
        sys.stderr.write(f"{unknown[0]} is not one of: {', '.join(modules)}\n")
        return 2
    chosen = argv or list(modules)
    seconds_each = float(os.environ.get("MUTATION_SECONDS", "inf")) / count_mutants(chosen)
    outcomes: list[Outcome] = []
    for tests, paths in group_modules(chosen).items():
        outcomes += judge_modules(paths, tests, seconds_each)
    earlier = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    RESULTS.write_text(json.dumps(flatten_results(outcomes, earlier), indent=2) + "\n", encoding="utf-8")
    return int(any(outcome.unexplained for outcome in outcomes))


def count_mutants(paths: list[str]) -> int:
    """How many mutants these modules have."""
    return sum(len(list_mutants(ast.parse((ROOT / path).read_text(encoding="utf-8")))) for path in paths)


def group_modules(paths: list[str]) -> dict[tuple[str, ...], list[str]]:
    """The modules that share their tests, which are loaded once for all of them."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for path, tests in list_modules().items():
        if path in paths:
            groups.setdefault(tests, []).append(path)
    return groups


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
