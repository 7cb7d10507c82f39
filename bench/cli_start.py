"""How much processor time it takes to start `blocks`: each command's help, and most up to their request."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import typer

from bench.scale import choose_size
from blocks.cli.errors import Exit
from blocks.cli.lazy_commands import COMMANDS, import_lazily

# Nothing listens there: each command ends where it would have been answered.
NOBODY: Final = {"BLOCKS_API_URL": "http://127.0.0.1:1", "BLOCKS_TOKEN": "blk_nobody"}
# Words up to the request that nobody answers; the rest of a command's start is its help.
STARTED: Final = tuple(
    tuple(words.split())
    for words in (
        "status flows",
        "flow run --repo compliance-service --input feature_request.md",
        "flow list",
        "flow show task_x",
        "flow watch task_x",
        "flow fetch task_x",
        "flow cancel task_x",
        "flow retry task_x",
        "flow diff task_x",
        "flow apply task_x",
        "verify show task_x",
        "verify key",
        "verify replay task_x",
        "config show --repo compliance-service",
        "config set gates.mode strict --repo compliance-service",
        "quota show",
        "quota pause google --reason test",
        "repo list",
        "repo show compliance-service",
        "token list",
        "token create nightly",
        "token rotate 1",
        "token revoke 1",
        "metrics export",
        "metrics weekly",
        "notify slack --channel engineering --message hello",
        "notify email --to a@example.org --subject s --body hello",
        "alerts test DailyBudgetBurn",
        "preflight --phase 6",
        "doctor",
    )
)
ROUNDS: Final = choose_size(5, 1)
# The small form starts one of so many, to see that it can be measured.
EVERY: Final = choose_size(1, 12)


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


def measure_start(words: tuple[str, ...], folder: Path) -> float:
    """Seconds of processor, user and system, of a process from start to end: the least of some runs.

    Raises where it ends otherwise than by its help, or by the service that cannot be reached.
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COV")} | NOBODY
    spent = []
    for _ in range(ROUNDS):
        command = [sys.executable, "-m", "blocks.cli.main", *words]
        with subprocess.Popen(
            command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as process:
            # Of this child alone: the others' sum would grow with each.
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        expected = Exit.DONE if "--help" in words else Exit.UNREACHABLE
        if process.returncode != expected:
            raise RuntimeError(f"blocks {' '.join(words)} ended with {process.returncode}")
        spent.append(usage.ru_utime + usage.ru_stime)
    return min(spent)


def measure_starts() -> dict[str, float | str]:
    """``cli_start_cpu_s_max`` over all commands, which command that is, and the median of all."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        (path / "feature_request.md").write_text("# Ratio\n\nCompute it.\n", encoding="utf-8")
        found = {words: measure_start(words, path) for words in list(list_commands())[::EVERY]}
    slowest = max(found, key=found.__getitem__)
    return {
        "cli_start_cpu_s_max": round(found[slowest], 3),
        "cli_start_slowest": " ".join(("blocks", *slowest)),
        "cli_start_cpu_s_p50": round(sorted(found.values())[len(found) // 2], 3),
    }
