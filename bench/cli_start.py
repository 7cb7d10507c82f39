"""How much processor time it takes to start `blocks`: each command's help, and some up to their request."""

import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Final

import typer

from bench.scale import choose_size
from blocks.cli.lazy_commands import COMMANDS, import_lazily

# Nothing listens there: each command ends where it would have been answered.
NOBODY: Final = {"BLOCKS_API_URL": "http://127.0.0.1:1", "BLOCKS_TOKEN": "blk_nobody"}
STARTED: Final = (
    ("status", "flows"),
    ("flow", "list"),
    ("flow", "show", "task_x"),
    ("flow", "fetch", "task_x"),
    ("verify", "show", "task_x"),
    ("verify", "key"),
    ("config", "show"),
    ("quota", "show"),
    ("repo", "list"),
    ("doctor",),
)
ROUNDS: Final = choose_size(5, 1)


def list_commands() -> Iterator[tuple[str, ...]]:
    """The words of every command whose start is measured."""
    yield ("--help",)
    for name, (module, _) in COMMANDS.items():
        command = typer.main.get_command(import_lazily(module).app)
        for words in _list_members((name,), command):
            yield (*words, "--help")
    yield from STARTED


def _list_members(words: tuple[str, ...], command: object) -> Iterator[tuple[str, ...]]:
    yield words
    for name, member in getattr(command, "commands", {}).items():
        yield from _list_members((*words, name), member)


def measure_start(words: tuple[str, ...]) -> float:
    """Seconds of processor, user and system, of a process from start to end: the least of some runs."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COV")} | NOBODY
    spent = []
    for _ in range(ROUNDS):
        command = [sys.executable, "-m", "blocks.cli.main", *words]
        with subprocess.Popen(
            command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as process:
            # Of this child alone: the others' sum would grow with each.
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode < 0:
            raise RuntimeError(f"blocks {' '.join(words)} was killed by signal {-process.returncode}")
        spent.append(usage.ru_utime + usage.ru_stime)
    return min(spent)


def measure_all() -> dict[str, float | str]:
    """``cli_start_cpu_s_max`` over all commands, which command that is, and the median of all."""
    found = {words: measure_start(words) for words in list_commands()}
    slowest = max(found, key=found.__getitem__)
    return {
        "cli_start_cpu_s_max": round(found[slowest], 3),
        "cli_start_slowest": " ".join(("blocks", *slowest)),
        "cli_start_cpu_s_p50": round(sorted(found.values())[len(found) // 2], 3),
    }
