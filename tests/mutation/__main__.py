"""``python -m tests.mutation [MODULE ...]``: which changes of the engine and the limiter do their own tests
notice?

The mutants are those that the mutation gate makes of generated code (``gates.harness.mutants``). Each one is
loaded in place of the original in a pytest process of its own, which runs the tests of that module. A mutant
that makes them fail is killed. Writes ``bench/results/mutation.json``: mutants, killed ones and the rate in
per cent, for each module and in all.

``MUTATION_SECONDS`` (600) bounds the time for each module: where the mutants do not fit, a random share of
them runs.
"""

import ast
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from gates.harness.mutants import list_mutants
from gates.harness.tree_edits import Edit

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "bench/results/mutation.json"
ENGINE_TESTS = ("tests/flows/engine/test_verbs.py", "tests/flows/engine/test_protocol.py")
LIMITER_TESTS = ("tests/providers/limits/test_limiter.py", "tests/providers/limits/test_provider_calls.py")
# A mutant may wait for ever. This many times the tests' own time is a kill.
PATIENCE = 4
UNMUTATED_SECONDS = 600.0
# Only one outcome says that tests ran and all of them passed: then the mutant survived.
PASSED = 0


@dataclass(frozen=True)
class Outcome:
    """The mutants of one module: how many there are, how many ran and were killed, and which survived."""

    module: str
    found: int
    run: int
    killed: int
    survivors: tuple[str, ...]


def list_modules() -> dict[str, tuple[str, ...]]:
    """Path of each module to the tests that have to notice its mutants."""
    engine = sorted((ROOT / "orchestrator/flows/engine").glob("*.py"))
    modules: dict[str, tuple[str, ...]] = {
        str(path.relative_to(ROOT)): ENGINE_TESTS for path in engine if path.name != "__init__.py"
    }
    return modules | {"providers/limiter.py": LIMITER_TESTS, "providers/admission.py": LIMITER_TESTS}


def run_tests(tests: tuple[str, ...], mutant: dict[str, str], patience: float) -> int:
    """The exit code of pytest over ``tests``; 1 when it takes longer than ``patience`` seconds."""
    options = ["-x", "-q", "--no-header", "--reuse-db", "-p", "no:cacheprovider", "-p", "no:randomly"]
    command = [sys.executable, "-m", "pytest", "-p", "tests.mutation.plugin", *options, *tests]
    try:
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=os.environ | mutant,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=patience,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return 1
    return done.returncode


def order_mutants(mutants: list[Edit]) -> list[Edit]:
    """The mutants in a random order that is the same each time, so that the first ones are a fair share."""
    ordered = list(mutants)
    random.Random(len(ordered)).shuffle(ordered)
    return ordered


def judge_module(path: str, tests: tuple[str, ...], seconds: float) -> Outcome:
    """Run the mutants of one module for ``seconds`` at most.

    Raises ``RuntimeError`` where the tests fail without a mutant.
    """
    source = (ROOT / path).read_text(encoding="utf-8")
    tree = ast.parse(source)
    mutants = list_mutants(tree)
    began = time.monotonic()
    if run_tests(tests, {}, UNMUTATED_SECONDS) != PASSED:
        raise RuntimeError(f"the tests of {path} fail without a mutant: {' '.join(tests)}")
    once = time.monotonic() - began
    name = path.removesuffix(".py").replace("/", ".")
    killed, survivors = 0, []
    # Most mutants end earlier than the tests do, at the first failure: only the clock knows how many fit.
    deadline = time.monotonic() + seconds
    ran = 0
    with tempfile.TemporaryDirectory() as folder:
        code = Path(folder) / "mutant"
        for mutant in order_mutants(mutants):
            if time.monotonic() > deadline:
                break
            code.write_bytes(mutant.compile(tree, str(ROOT / path)))
            environment = {"MUTANT_MODULE": name, "MUTANT_CODE": str(code)}
            ran += 1
            if run_tests(tests, environment, PATIENCE * once + 10) == PASSED:
                before, after = mutant.describe()
                survivors.append(f"{path}:{mutant.first}: {before} -> {after}")
            else:
                killed += 1
    return Outcome(path, len(mutants), ran, killed, tuple(survivors))


def flatten_results(outcomes: list[Outcome]) -> dict[str, float]:
    """Each figure under a key of its own; rates in per cent of the mutants that ran."""
    ran = sum(outcome.run for outcome in outcomes)
    killed = sum(outcome.killed for outcome in outcomes)
    figures: dict[str, float] = {
        "mutants": ran,
        "killed": killed,
        "rate": round(100 * killed / max(1, ran), 1),
    }
    for outcome in outcomes:
        key = outcome.module.removesuffix(".py").replace("/", ".")
        figures[f"{key}_found"] = outcome.found
        figures[f"{key}_mutants"] = outcome.run
        figures[f"{key}_killed"] = outcome.killed
        figures[f"{key}_rate"] = round(100 * outcome.killed / max(1, outcome.run), 1)
    return figures


def main(argv: list[str]) -> int:
    """Judge the modules that ``argv`` names, or all; print the survivors; write the results only when all
    ran.
    """
    modules = list_modules()
    unknown = [path for path in argv if path not in modules]
    if unknown:
        sys.stderr.write(f"{unknown[0]} is not one of: {', '.join(modules)}\n")
        return 2
    seconds = float(os.environ.get("MUTATION_SECONDS", "600"))
    outcomes = []
    for path in argv or modules:
        outcome = judge_module(path, modules[path], seconds)
        outcomes.append(outcome)
        sys.stdout.write(f"{path}: {outcome.killed} of {outcome.run} killed, {outcome.found} found\n")
        sys.stdout.writelines(f"  survived: {line}\n" for line in outcome.survivors)
        sys.stdout.flush()
    figures = json.dumps(flatten_results(outcomes), indent=2) + "\n"
    if argv:
        sys.stdout.write(figures)
    else:
        RESULTS.write_text(figures, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
