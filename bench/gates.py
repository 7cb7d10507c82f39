"""``python -m bench.gates``: the whole gate run on one block, and its mutation engine beside mutmut and cosmic-ray.

All three judge the same block one after the other in one run, each with the machine to itself; ours runs inside the sandbox,
the peers bare. Writes ``bench/results/gates.json``. Peers live in ``bench/.venvs`` and are built from ``bench/peers/*.txt``.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench import goals
from bench.gates_subject import CONTRACT, MODULE, NAME, TESTS
from gates.base import Candidate, Policy
from gates.runner import run_gates
from gates.sandbox import run_job as run_sandboxed
from gates.sandbox.probe import measure_start_ms
from gates.sandbox.registry import choose_backend

os.environ.setdefault(
    "DJANGO_SETTINGS_MODULE", "orchestrator.settings"
)  # the sandbox asks it for its backend

HERE = Path(__file__).parent
RUNS, STARTS = 10, 51
GOALS: goals.Goals = {
    "mutation_wall_vs_mutmut": ("<=", 0.4),
    "mutants_per_line_vs_mutmut": (">=", 1),
    "sandbox_start_ms_p50": ("<=", 60),
}


def peer(name: str) -> Path:
    """The folder of a peer's executables; built once from its pins."""
    folder = HERE / ".venvs" / name
    if not (folder / "bin" / "pytest").exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        pins = ["--require-hashes", "-r", str(HERE / "peers" / f"{name}.txt")]
        subprocess.run([str(folder / "bin" / "python"), "-m", "pip", "install", "-q", *pins], check=True)
    return folder / "bin"


def version(binaries: Path, package: str) -> str:
    code = f"import importlib.metadata as m; print(m.version('{package}'))"
    return subprocess.run(
        [str(binaries / "python"), "-c", code], check=True, capture_output=True, text=True
    ).stdout.strip()


def _project(folder: Path) -> None:
    (folder / f"{NAME}.py").write_text(MODULE)
    (folder / "tests").mkdir()
    (folder / "tests" / f"test_{NAME}.py").write_text(TESTS)


def _timed(command: list[str], folder: Path, binaries: Path) -> tuple[float, str]:
    environment = {
        "PATH": f"{binaries}:{os.defpath}",
        "HOME": str(folder),
        "LANG": "C.UTF-8",
        "PYTHONPATH": str(folder),
    }
    started = time.monotonic()
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1):
        raise SystemExit(
            f"{command[0]} ended with {done.returncode}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
        )
    return time.monotonic() - started, done.stdout + done.stderr


def mutmut() -> tuple[float, int, str]:
    """Wall seconds, mutants, version."""
    binaries = peer("mutmut")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _project(folder)
        config = f'[tool.mutmut]\nsource_paths = ["{NAME}.py"]\npaths_to_mutate = ["{NAME}.py"]\ntests_dir = ["tests"]\n'
        (folder / "pyproject.toml").write_text(f'{config}pytest_add_cli_args_test_selection = ["tests"]\n')
        seconds, _ = _timed(
            [str(binaries / "mutmut"), "run", "--max-children", str(os.cpu_count())], folder, binaries
        )
        listed = _timed([str(binaries / "mutmut"), "results", "--all", "true"], folder, binaries)[1]
        mutants = len(re.findall(r"__mutmut_\d+", listed))
        if not mutants:
            raise SystemExit(f"mutmut listed no mutants: {listed[-500:]}")
    return seconds, mutants, version(binaries, "mutmut")


def cosmic_ray() -> tuple[float, int, str]:
    """Wall seconds, mutants, version. It runs one mutant after the other: its local distributor has no workers."""
    binaries = peer("cosmic-ray")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _project(folder)
        command = f"{binaries}/python -m pytest -x -q tests"
        config = f'[cosmic-ray]\nmodule-path = "{NAME}.py"\ntimeout = 10.0\nexcluded-modules = []\ntest-command = "{command}"\n'
        (folder / "cr.toml").write_text(f'{config}\n[cosmic-ray.distributor]\nname = "local"\n')
        cosmic = str(binaries / "cosmic-ray")
        _timed([cosmic, "init", "cr.toml", "session.sqlite"], folder, binaries)
        seconds, _ = _timed([cosmic, "exec", "cr.toml", "session.sqlite"], folder, binaries)
        dumped = _timed([str(binaries / "cr-report"), "session.sqlite"], folder, binaries)[1]
        found = re.search(r"total jobs: (\d+)", dumped)
        if found is None:
            raise SystemExit(f"cosmic-ray reported no jobs: {dumped[-500:]}")
    return seconds, int(found[1]), version(binaries, "cosmic-ray")


def _percentile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def measure() -> dict[str, float | int | str]:
    """Every figure of the result file."""
    candidate = Candidate("bench", NAME, MODULE, TESTS, json.dumps(CONTRACT))
    policy = Policy()
    wholes, rounds = [], []
    for _ in range(RUNS):
        started = time.monotonic()
        rounds.append({report.gate: report for report in run_gates(candidate, policy)})
        wholes.append(time.monotonic() - started)
    ours = _percentile([reports["mutation"].seconds for reports in rounds], 0.5)
    mutation, coverage = rounds[0]["mutation"], rounds[0]["coverage"]
    refused = {
        report.gate: (report.summary, report.feedback)
        for reports in rounds
        for report in reports.values()
        if report.verdict != "passed"
    }
    if refused:
        raise SystemExit(f"the subject did not pass: {refused}")
    mutmut_seconds, mutmut_mutants, mutmut_version = mutmut()
    cosmic_seconds, cosmic_mutants, cosmic_version = cosmic_ray()
    lines = MODULE.count("\n")
    return {
        "mutation_wall_vs_mutmut": round(ours / mutmut_seconds, 3),
        "mutation_wall_vs_cosmic_ray": round(ours / cosmic_seconds, 3),
        "gates_wall_seconds_p95": round(_percentile(wholes, 0.95), 2),
        "gates_wall_seconds_p50": round(_percentile(wholes, 0.5), 2),
        "sandbox_start_ms_p50": round(measure_start_ms(run_sandboxed, STARTS), 1),
        "sandbox_backend": choose_backend().name,
        "block_lines": lines,
        "block_tests": int(str(coverage.details["tests"])),
        "mutants": int(str(mutation.details["mutants"])),
        "mutants_per_line": round(int(str(mutation.details["mutants"])) / lines, 2),
        "mutants_per_line_vs_mutmut": round(int(str(mutation.details["mutants"])) / mutmut_mutants, 2),
        "mutmut_mutants": mutmut_mutants,
        "cosmic_ray_mutants": cosmic_mutants,
        "kill_rate": float(mutation.score or 0),
        "mutmut_version": mutmut_version,
        "cosmic_ray_version": cosmic_version,
        "cpus": os.cpu_count() or 1,
    }


def main() -> int:
    """Measure, write ``results/gates.json``; 1 if a goal was missed."""
    figures = measure()
    goals.write("gates", figures)
    return goals.report(figures, GOALS)


if __name__ == "__main__":
    raise SystemExit(main())
