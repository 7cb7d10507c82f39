"""``python -m bench.gates``: the whole gate run on one block, its mutation engine beside mutmut and
cosmic-ray, and what the gates say to blocks whose right verdict is known.

The three engines judge the same block one after the other in one run, each with the machine to itself. Ours
runs inside the sandbox, the peers bare. ``GATES_PARTS=hostile,honest`` measures some parts; the others keep
what the file says of them. The part ``repeated`` judges each honest block five times at once, for most of an
hour, and is only run where it is named. Writes ``bench/results/gates.json`` after each part.
"""

import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.gates_pandas import measure_packages
from bench.gates_subject import CONTRACT, MODULE, NAME, POLICY, TESTS
from bench.gates_verdicts import (
    judge_honest,
    judge_hostile,
    judge_repeated,
    judge_weak,
    measure_rate,
    read_busy_seconds,
)
from bench.goals import Goals, at_least, at_most, find_results_file, judge_results, write_results
from bench.peer_environments import PeerFailure, require_python, takes_part
from bench.scale import choose_size
from gates.base import Candidate, GateReport
from gates.runner import run_gate, run_gates
from gates.sandbox import run_job
from gates.sandbox.probe import measure_start_ms
from gates.sandbox.registry import choose_backend

# The sandbox reads its backend from the settings.
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "orchestrator.settings")

RUNS = choose_size(full=10, small=1)
RATE_BLOCKS = choose_size(full=8, small=1)
# The small form reaches no package index.
PANDAS_RUNS = choose_size(full=3, small=0)
STARTS = choose_size(full=51, small=3)
# Both peers find 60 % and more of the changes in the subject, whose tests are thorough. A peer that finds
# less did not really run them; one whose tests fail for another reason would "find" every change within
# milliseconds.
LOWEST_KILL_RATE = 0.6
GOALS: Goals = {
    "mutation_wall_vs_mutmut": at_most(0.25),
    "mutants_per_line_vs_mutmut": at_least(1),
    "sandbox_start_ms_p50": at_most(60),
    "gates_wall_seconds_p50": at_most(8),
    "hostile_accepted": at_most(0),
    "honest_refused": at_most(0),
    "weak_tests_accepted": at_most(0),
    "pandas_vs_plain": at_most(3),
}


@dataclass(frozen=True, slots=True)
class PeerRun:
    """What a peer did: wall seconds of its mutants, how many, and the share that its tests noticed."""

    seconds: float
    mutants: int
    kill_rate: float
    version: str

    def check(self, peer: str) -> None:
        """Raise ``PeerFailure`` where the peer did not do the work that it was timed for."""
        if self.mutants < 1:
            raise PeerFailure(f"{peer} made no mutants")
        if not LOWEST_KILL_RATE <= self.kill_rate <= 1:
            raise PeerFailure(f"{peer} noticed {self.kill_rate:.0%} of its mutants: did it run the tests?")


@dataclass(frozen=True, slots=True)
class PeerProject:
    """A folder with the subject and its tests, and the peer that judges it."""

    folder: Path
    binaries: Path

    def run(self, *command: str) -> str:
        """Run one of the peer's programs to its end; returns what it printed. Raises ``PeerFailure``."""
        environment = {
            "PATH": f"{self.binaries}:{os.defpath}",
            "HOME": str(self.folder),
            "LANG": "C.UTF-8",
            "PYTHONPATH": str(self.folder),
        }
        argv = [str(self.binaries / command[0]), *command[1:]]
        done = subprocess.run(
            argv, cwd=self.folder, env=environment, capture_output=True, text=True, check=False
        )
        # mutmut ends with 1 where mutants have survived, which is not a failure.
        if done.returncode not in (0, 1):
            output = f"{done.stdout[-2000:]}{done.stderr[-2000:]}"
            raise PeerFailure(f"{command[0]} ended with {done.returncode}: {output}")
        return done.stdout + done.stderr

    def read_version(self, distribution: str) -> str:
        """The installed version of one of the peer's distributions."""
        code = f"import importlib.metadata as m; print(m.version({distribution!r}))"
        return self.run("python", "-c", code).strip()


def run_mutmut() -> PeerRun:
    """Let mutmut judge the subject on all processors."""
    with tempfile.TemporaryDirectory() as name:
        project = PeerProject(Path(name), require_python("mutmut").parent)
        _write_subject(project.folder)
        config = (
            "[tool.mutmut]",
            f'source_paths = ["{NAME}.py"]',
            f'paths_to_mutate = ["{NAME}.py"]',
            'tests_dir = ["tests"]',
            'pytest_add_cli_args_test_selection = ["tests"]',
        )
        (project.folder / "pyproject.toml").write_text("\n".join(config) + "\n")
        began = time.monotonic()
        project.run("mutmut", "run", "--max-children", str(os.cpu_count()))
        seconds = time.monotonic() - began
        verdicts = re.findall(r"__mutmut_\d+: (.+)", project.run("mutmut", "results", "--all", "true"))
        noticed = sum(verdict.strip() in {"killed", "timeout"} for verdict in verdicts)
        run = PeerRun(seconds, len(verdicts), noticed / max(1, len(verdicts)), project.read_version("mutmut"))
    run.check("mutmut")
    return run


def run_cosmic_ray() -> PeerRun:
    """Let cosmic-ray judge the subject, one mutant after the other: its local distributor has no workers."""
    with tempfile.TemporaryDirectory() as name:
        project = PeerProject(Path(name), require_python("cosmic-ray").parent)
        _write_subject(project.folder)
        # cosmic-ray splits the command as a shell does, and the path of the environment may have a space.
        command = shlex.join([str(project.binaries / "python"), "-m", "pytest", "-x", "-q", "tests"])
        config = (
            "[cosmic-ray]",
            f'module-path = "{NAME}.py"',
            "timeout = 10.0",
            "excluded-modules = []",
            f"test-command = {json.dumps(command)}",
            "[cosmic-ray.distributor]",
            'name = "local"',
        )
        (project.folder / "cr.toml").write_text("\n".join(config) + "\n")
        # The tests have to pass without a mutant: a command that cannot run would "notice" each one.
        _check_baseline(project)
        project.run("cosmic-ray", "init", "cr.toml", "session.sqlite")
        began = time.monotonic()
        project.run("cosmic-ray", "exec", "cr.toml", "session.sqlite")
        seconds = time.monotonic() - began
        report = project.run("cr-report", "session.sqlite")
        mutants = _read_count(report, "total jobs")
        complete, survived = _read_count(report, "complete"), _read_count(report, "surviving mutants")
        if complete != mutants:
            raise PeerFailure(f"cosmic-ray judged {complete} of its {mutants} mutants")
        run = PeerRun(seconds, mutants, 1 - survived / max(1, mutants), project.read_version("cosmic-ray"))
    run.check("cosmic-ray")
    return run


def _check_baseline(project: PeerProject) -> None:
    output = project.run("cosmic-ray", "--verbosity", "INFO", "baseline", "cr.toml")
    if "Baseline passed" not in output:
        raise PeerFailure(f"the subject's tests do not pass under cosmic-ray: {output[-1000:]}")


def _read_count(report: str, name: str) -> int:
    found = re.search(rf"{name}: (\d+)", report)
    if found is None:
        raise PeerFailure(f"cosmic-ray reported no {name!r}: {report[-500:]}")
    return int(found[1])


def _write_subject(folder: Path) -> None:
    (folder / f"{NAME}.py").write_text(MODULE)
    (folder / "tests").mkdir()
    (folder / "tests" / f"test_{NAME}.py").write_text(TESTS)


def find_percentile(values: list[float], share: float) -> float:
    """The value below which ``share`` of the values are, without interpolation."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def measure_time() -> dict[str, Any]:
    """The whole gate run: wall time, processor time, blocks a minute."""
    candidate = _make_subject()
    wholes: list[float] = []
    busy = read_busy_seconds()
    for _ in range(RUNS):
        began = time.monotonic()
        reports = run_gates(candidate, POLICY)
        wholes.append(time.monotonic() - began)
        _require_passed(reports)
    processor_seconds = (read_busy_seconds() - busy) / RUNS
    coverage = next(report for report in reports if report.gate == "coverage")
    return {
        "gates_cpu_seconds": round(processor_seconds, 2),
        "flows_per_minute_two_cores": measure_rate(candidate, POLICY, RATE_BLOCKS),
        "gates_wall_seconds_p95": round(find_percentile(wholes, 0.95), 2),
        "gates_wall_seconds_p50": round(find_percentile(wholes, 0.5), 2),
        "sandbox_start_ms_p50": round(measure_start_ms(run_job, STARTS), 1),
        "sandbox_backend": choose_backend().name,
        "block_lines": MODULE.count("\n"),
        "block_tests": int(str(coverage.details["tests"])),
        "cpus": os.cpu_count() or 1,
    }


def measure_mutation() -> dict[str, Any]:
    """Our mutation engine and the peers': our time over theirs, for the peers that take part."""
    candidate = _make_subject()
    # By itself, as the peers run: among the other gates it shares their sandbox and their honest run.
    reports = [run_gate("mutation", candidate, POLICY) for _ in range(RUNS)]
    _require_passed(reports)
    seconds = find_percentile([report.seconds for report in reports], 0.5)
    mutants = int(str(reports[0].details["mutants"]))
    found = {
        "mutants": mutants,
        "mutants_per_line": round(mutants / MODULE.count("\n"), 2),
        "kill_rate": float(reports[0].score or 0),
    }
    return found | _compare_with_peers(seconds, mutants)


def _make_subject() -> Candidate:
    return Candidate("bench", NAME, MODULE, TESTS, json.dumps(CONTRACT))


def _require_passed(reports: Iterable[GateReport]) -> None:
    for report in reports:
        if report.verdict != "passed":
            raise SystemExit(f"the subject did not pass {report.gate}: {report.summary} {report.feedback}")


def _compare_with_peers(seconds: float, mutants: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if takes_part("mutmut"):
        run = run_mutmut()
        found |= {
            "mutation_wall_vs_mutmut": round(seconds / run.seconds, 3),
            "mutants_per_line_vs_mutmut": round(mutants / run.mutants, 2),
            "mutmut_mutants": run.mutants,
            "mutmut_kill_rate": round(run.kill_rate, 3),
            "mutmut_version": run.version,
        }
    if takes_part("cosmic-ray"):
        run = run_cosmic_ray()
        found |= {
            "mutation_wall_vs_cosmic_ray": round(seconds / run.seconds, 3),
            "cosmic_ray_mutants": run.mutants,
            "cosmic_ray_kill_rate": round(run.kill_rate, 3),
            "cosmic_ray_version": run.version,
        }
    return found


def _measure_packages() -> dict[str, Any]:
    return {"pandas_vs_plain": measure_packages(PANDAS_RUNS)} if PANDAS_RUNS else {}


PARTS: dict[str, Callable[[], dict[str, Any]]] = {
    "time": measure_time,
    "mutation": measure_mutation,
    "packages": _measure_packages,
    "hostile": judge_hostile,
    "honest": judge_honest,
    "weak": judge_weak,
    "repeated": judge_repeated,
}
# Takes most of an hour, so that it is run where it is named.
_NAMED_ONLY = frozenset({"repeated"})


def choose_parts(wanted: str) -> list[str]:
    """The parts that ``wanted`` names, separated by commas; the usual ones for an empty text.

    Raises ``SystemExit``.
    """
    chosen = [name for name in wanted.split(",") if name] or [
        each for each in PARTS if each not in _NAMED_ONLY
    ]
    if unknown := sorted(set(chosen) - set(PARTS)):
        raise SystemExit(f"GATES_PARTS: no part {', '.join(unknown)}. There are: {', '.join(PARTS)}")
    return chosen


def main() -> int:
    """Measure, write ``results/gates.json``; 1 if a goal was missed."""
    chosen = choose_parts(os.environ.get("GATES_PARTS", ""))
    kept = find_results_file("gates")
    results: dict[str, Any] = {}
    if kept is not None and kept.exists():
        results = json.loads(kept.read_text(encoding="utf-8"))
    for name in chosen:
        before = os.getloadavg()[0]
        results |= PARTS[name]()
        results[f"{name}_load_average"] = round(max(before, os.getloadavg()[0]), 1)
        write_results("gates", results)
    return judge_results(results, GOALS)


if __name__ == "__main__":
    sys.exit(main())
