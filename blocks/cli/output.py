"""What every command prints with: plain lines, JSON, and the one `--json` option."""

import json
import os
import sys
from typing import Annotated, Any

import typer

from blocks.cli.errors import Failure
from blocks.cli.terminal_text import clean_output


class _TypedOptions:
    """What was typed for every command alike."""

    quiet = False


_typed = _TypedOptions()
AsJson = Annotated[
    bool, typer.Option("--json", help="Print JSON for machines, and nothing else, on standard output.")
]


def print_line(line: str = "") -> None:
    """One line for people on standard output, without control codes: much of it is text of others."""
    if is_quiet():
        return
    sys.stdout.write(clean_output(line) + "\n")


def print_result(line: str) -> None:
    """The line that was asked for: printed with ``--quiet`` too."""
    sys.stdout.write(clean_output(line) + "\n")


def print_warning(line: str) -> None:
    """One line for people on standard error, where it does not get into what a script reads."""
    sys.stderr.write(clean_output(line) + "\n")


def can_ask() -> bool:
    """Whether a person is at the other end; a job of CI has no terminal."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def be_quiet() -> None:
    """From now on print only what was asked for by name, and failures."""
    _typed.quiet = True


def is_quiet() -> bool:
    """Whether ``--quiet`` was typed."""
    return _typed.quiet


def require_agreement(question: str, *, option: str, default: bool = False) -> None:
    """Ask a person; raise ``Failure`` where nobody agrees, or where nobody can be asked."""
    if can_ask():
        if typer.confirm(question, default=default, err=True):
            return
        raise Failure("Nothing was changed.", code="cli:not-agreed")
    raise Failure(
        f"Nobody can be asked here: {question}", cure=f"Add {option} where you agree.", code="cli:not-agreed"
    )


def is_job() -> bool:
    """Whether this runs in a job of CI, by the variable that every CI system sets."""
    return os.environ.get("CI", "").lower() not in {"", "0", "false"}


def is_terminal() -> bool:
    """Whether standard output is read by a person: a terminal, or something that was told to be one."""
    return sys.stdout.isatty() or bool(os.environ.get("FORCE_COLOR"))


def print_json(value: Any) -> None:
    """``value`` as JSON on standard output."""
    # Escaped: JSON leaves some control codes as they are, and they would steer a terminal.
    sys.stdout.write(json.dumps(value, indent=2) + "\n")
