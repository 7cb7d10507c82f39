"""Help is read often and in a hurry: every command has it, and none loads for it what only its work needs."""

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
import typer

from blocks.cli.lazy_commands import COMMANDS
from tests.blocks.conftest import ROOT

# Each costs more than a tenth of a second of processor. Of a package that is imported lazily a part is named:
# the package itself is known, and executed at its first use.
HEAVY = ["cryptography", "django", "httpx2._client", "pydantic", "rich.console", "yaml.loader"]
HELPED = f"""
import json, sys
from blocks.cli import main
try:
    main.run()
finally:
    sys.stderr.write(json.dumps([name for name in {HEAVY} if name in sys.modules]))
"""


def every_command() -> Iterator[tuple[str, ...]]:
    """The words of each command, groups included."""
    yield ()
    for name, (module, _) in COMMANDS.items():
        yield (name,)
        command = typer.main.get_command(importlib.import_module(module).app)
        yield from ((name, inner) for inner in getattr(command, "commands", ()))


@pytest.mark.parametrize("words", [*every_command()], ids=" ".join)
def test_help_loads_nothing_that_only_work_needs(words: tuple[str, ...]) -> None:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("COV")} | {
        "PYTHONPATH": str(ROOT)
    }
    done = subprocess.run(
        [sys.executable, "-c", HELPED, *words, "--help"],
        env=clean,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Usage: " + " ".join(("blocks", *words)) in done.stdout
    assert json.loads(done.stderr) == []
