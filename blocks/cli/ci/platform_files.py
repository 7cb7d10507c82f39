"""What GitHub Actions reads from a job besides its exit code: a summary, outputs, and annotations."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from blocks.cli.terminal_text import remove_controls

_MOST_SUMMARY = 1_000_000  # GitHub drops a step's summary over 1 MiB


def add_summary(text: str) -> None:
    """Show ``text`` (Markdown) on the page of the job, where the platform has such a page."""
    _append("GITHUB_STEP_SUMMARY", text[:_MOST_SUMMARY] + "\n")


def set_outputs(values: Mapping[str, str]) -> None:
    """Give later steps of the job values by name."""
    # One line each: a value with a line break could name a value of its own.
    lines = [f"{name}={' '.join(remove_controls(value).split())}\n" for name, value in values.items()]
    _append("GITHUB_OUTPUT", "".join(lines))


def annotate_error(path: str, message: str) -> None:
    """Mark a file in the view of the change."""
    if os.environ.get("GITHUB_ACTIONS") == "true":
        place = _escape(path).replace(":", "%3A").replace(",", "%2C")
        sys.stdout.write(f"::error file={place}::{_escape(message)}\n")


def _escape(text: str) -> str:
    # GitHub reads commands from the output by line; these are its own escapes.
    return remove_controls(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _append(name: str, text: str) -> None:
    place = os.environ.get(name)
    if place:
        with Path(place).open("a", encoding="utf-8") as file:
            file.write(text)
