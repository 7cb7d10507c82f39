"""``python -m tests.chaos``: the standard run; ``SOAK=1`` the long one. 1 if anything broke.

Writes bench/results/chaos.json, the long run bench/results/chaos-soak.json.
"""

import argparse
import json
import os
import platform
import random
import shutil
import signal
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psycopg
from rich.console import Console

from tests.chaos import recovery, run
from tests.chaos.run import Outcome
from tests.chaos.servers import Postgres, servers

RESULTS = Path(__file__).resolve().parents[2] / "bench" / "results"
STANDARD, SOAK = (1000, 300, 150), (12_000, 1000, 10_000)  # flows, faults, backlog before the first FLUSHALL


def options(argv: list[str]) -> argparse.Namespace:
    """The command line."""
    soak = os.environ.get("SOAK", "") not in {"", "0"}
    flows, faults, backlog = SOAK if soak else STANDARD
    made = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    made.add_argument("--flows", type=int, default=flows)
    made.add_argument("--faults", type=int, default=faults)
    made.add_argument("--backlog", type=int, default=None, help="flows submitted at once before a FLUSHALL")
    made.add_argument(
        "--seed",
        type=int,
        default=int(os.environ.get("CHAOS_SEED") or random.SystemRandom().randrange(10**6)),
    )
    made.add_argument("--measure", type=int, default=3, help="how often each recovery is measured")
    made.add_argument(
        "--without", action="append", choices=sorted(run.SABOTAGES), help="only these sabotage runs"
    )
    made.add_argument("--no-sabotage", action="store_true")
    made.add_argument("--no-main", action="store_true")
    made.add_argument("--keep", type=Path, help="keep the logs in this folder")
    made.add_argument("--result", type=Path, default=RESULTS / ("chaos-soak.json" if soak else "chaos.json"))
    chosen = made.parse_args(argv)
    if chosen.backlog is None:
        chosen.backlog = backlog if chosen.flows >= flows else min(backlog, chosen.flows // 4)
    return chosen


def main(argv: list[str]) -> int:
    """Run, judge, write, say."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # both stop everything that was started
    chosen, console = options(argv), Console(highlight=False)
    console.print(
        f"chaos: {chosen.flows} flows, {chosen.faults} faults, seed {chosen.seed}"
        f" (--seed {chosen.seed} repeats it)"
    )
    logs = chosen.keep or Path(tempfile.mkdtemp(prefix="blocks-chaos-"))
    try:
        with console.status("starting") as status, servers() as (postgres, broker):

            def tell(line: str) -> None:
                status.update(line)
                if not console.is_terminal:
                    console.print(line, soft_wrap=True)

            run.prepare(postgres, broker, logs)
            outcome = None
            if not chosen.no_main:
                outcome = run.main_run(
                    postgres,
                    broker,
                    logs,
                    flows=chosen.flows,
                    faults=chosen.faults,
                    backlog=chosen.backlog,
                    seed=chosen.seed,
                    measure=chosen.measure,
                    tell=tell,
                )
                _say(console, outcome)
            undetected = (
                [] if chosen.no_sabotage else _sabotage(console, chosen, postgres, broker, logs, tell)
            )
            server = _server_version(postgres)
    except KeyboardInterrupt:
        console.print("Stopped.")
        return 2
    if outcome is None:
        return 1 if undetected else 0
    result, broken = figures(outcome, undetected, chosen.seed), not outcome.verdict.clean or bool(undetected)
    result["postgresql_version"] = server
    broken = broken or _slow(console, result)
    chosen.result.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    console.print(f"{'BROKEN' if broken else 'HELD'} in {outcome.seconds:.0f} s; {chosen.result}")
    if broken:
        console.print(f"logs: {logs}")
    elif not chosen.keep:
        shutil.rmtree(logs, ignore_errors=True)
    return 1 if broken else 0


def _sabotage(
    console: Console, chosen: argparse.Namespace, postgres: Postgres, broker: Any, logs: Path, tell: Any
) -> list[str]:
    undetected = []
    control = run.sabotage_run(postgres, broker, logs, "", flows=30, seed=chosen.seed, tell=tell)
    console.print(f"the same faults without sabotage: {'held' if control.clean else 'BROKEN'}")
    for finding in control.findings:
        console.print(f"  {finding}", style="red", soft_wrap=True, markup=False)
    if not control.clean:
        undetected.append("nothing")
    for what in chosen.without or run.SABOTAGES:
        verdict = run.sabotage_run(postgres, broker, logs, what, flows=45, seed=chosen.seed, tell=tell)
        if verdict.clean:
            undetected.append(what)
        console.print(f"without the {what}: {'NOT DETECTED' if verdict.clean else 'detected'}")
        for finding in verdict.findings[:4]:
            console.print(f"  {finding}", style="dim", soft_wrap=True, markup=False)
    return undetected


def _say(console: Console, outcome: Outcome) -> None:
    for finding in outcome.verdict.findings:
        console.print(f"  {finding}", style="red", soft_wrap=True, markup=False)
    console.print(f"processes that were started again: {outcome.restarts}", style="dim", soft_wrap=True)
    console.print(f"failpoints reached: {len(outcome.fired)} of {len(run.failpoints.points())}", style="dim")


def _slow(console: Console, result: dict[str, Any]) -> bool:
    limits = {
        "recovery_worker_kill_s": recovery.WORKER_KILL_SECONDS,
        "recovery_flushall_s": recovery.FLUSHALL_SECONDS,
        "recovery_postgres_restart_s": recovery.POSTGRES_RESTART_SECONDS,
    }
    late = {
        name: result[name]
        for name, limit in limits.items()
        if result[name] is not None and result[name] > limit
    }
    for name, seconds in late.items():
        console.print(f"  {name}: {seconds} s, more than {limits[name]:g} s", style="red")
    return bool(late)


def figures(outcome: Outcome, undetected: list[str], seed: int) -> dict[str, Any]:
    """The flat result. ``fault_*`` count each kind; ``failpoints`` counts the points that ended a process."""
    verdict = outcome.verdict
    slowest = {name: max(seconds) for name, seconds in outcome.recovery.items()}
    return {
        "flows": outcome.flows,
        "faults": sum(outcome.faults.values()),
        "lost": verdict.lost,
        "stuck": verdict.stuck,
        "duplicate_charges": verdict.duplicate_charges,
        "effects_after_cancel": verdict.effects_after_cancel,
        "extra_calls": verdict.extra_calls,
        "extra_calls_explained_at_most": verdict.allowed_extra_calls,
        "unexpected_exits": verdict.unexpected_exits,
        "sabotage_undetected": len(undetected),
        "recovery_worker_kill_s": slowest.get("worker_kill"),
        "recovery_flushall_s": slowest.get("flushall"),
        "recovery_postgres_restart_s": slowest.get("postgres_restart"),
        "lease_s": run.LEASE_SECONDS,
        "kills": outcome.kills,
        "backlog_at_flushall": outcome.backlog,
        "failpoints": len(outcome.fired),
        "seconds": round(outcome.seconds),
        "seed": seed,
        **{
            f"fault_{name.replace(',', '').replace('-', '_').replace(' ', '_')}": count
            for name, count in sorted(outcome.faults.items())
        },
        "python_version": platform.python_version(),
        "celery_version": version("celery"),
        "kombu_version": version("kombu"),
        "django_version": version("django"),
    }


def _server_version(postgres: Postgres) -> str:
    try:
        with postgres.connect() as db:
            return str(db.execute("SHOW server_version").fetchone()[0])
    except psycopg.Error:
        return ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
