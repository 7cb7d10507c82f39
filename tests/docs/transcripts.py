"""What a page shows of a terminal: commands after a ``$``, and what they print; typed and compared.

Ids, times and amounts differ each time: numbers and ids are masked on both sides, and a run of spaces counts
as one. A line ``...`` in a page stands for any lines.
"""

import re
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ANY_LINES = "..."
HOME = "/home/you"
"""How pages write the home folder of their reader."""
_BLOCK = re.compile(r"^( *)```console\n(.*?)^\1```", re.S | re.M)
# In this order: an id is longer than the numbers in it.
_ID = re.compile(r"task_[0-9a-z]{20}")
_MASKS = (
    (_ID, "TASK"),
    (re.compile(r"sha256:[0-9a-f]+|\b(?=[0-9a-f]*[0-9])[0-9a-f]{16,64}\b"), "DIGEST"),
    (re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?(\.\d+)?(Z|[+-]\d\d:\d\d)?"), "TIME"),
    # Both ways in which a duration is shown: 850 ms, 1.2 s, 1 min 5 s.
    (re.compile(r"\d+ min( \d+ s)?|\d+(\.\d+)? ?m?s\b"), "DURATION"),
    (re.compile(r"\$\d+(\.\d+)?"), "USD"),
    (re.compile(r"\d+(?:[.,]\d+)*"), "N"),
    (re.compile(r"\s+"), " "),
)


@dataclass(frozen=True, slots=True)
class Step:
    """One command with the lines below it."""

    command: str
    expected: tuple[str, ...]


def read_steps(page: str) -> list[Step]:
    """The steps of a page, in order."""
    steps: list[Step] = []
    for _, block in _BLOCK.findall(page):
        # A command may continue on further lines.
        for part in re.split(r"^\s*\$ ", block.replace("\\\n", ""), flags=re.M)[1:]:
            command, *lines = part.splitlines()
            steps.append(Step(command.strip(), tuple(line.strip() for line in lines if line.strip())))
    return steps


def mask_line(line: str) -> str:
    """A line without what differs each time."""
    for pattern, word in _MASKS:
        line = pattern.sub(word, line)
    return line.strip()


def find_difference(expected: Sequence[str], printed: Sequence[str]) -> str:
    """The first line of a page that is not among what was printed, in its place; empty where all are."""
    shown = [mask_line(line) for line in printed if line.strip()]
    place, loose = 0, False
    for line in expected:
        if line == ANY_LINES:
            loose = True
            continue
        wanted = mask_line(line)
        if loose:
            while place < len(shown) and shown[place] != wanted:
                place += 1
        if place >= len(shown) or shown[place] != wanted:
            found = shown[place] if place < len(shown) else "(nothing more)"
            return f"the page has  {wanted!r}\nand then came {found!r}\nof {shown}"
        place, loose = place + 1, False
    if place < len(shown) and not loose:
        return f"more was printed than the page has: {shown[place:]}"
    return ""


def type_steps(
    steps: Sequence[Step], replaced: Mapping[str, str], home: Path, path: str
) -> list[tuple[Step, list[str]]]:
    """Type the commands one after the other, the first in the checkout; each with what it printed.

    ``replaced`` maps what a reader of the page puts in himself to what is right here; an id of a flow in a
    command is that of the newest flow.
    """
    typed = []
    folder, newest = ROOT, ""
    environment = {"HOME": str(home), "PATH": path, "COLUMNS": "120", "PYTHONUTF8": "1", "LANG": "C.UTF-8"}
    kept = home / ".after"
    for step in steps:
        command = step.command
        for written, right in replaced.items():
            command = command.replace(written, right)
        command = _ID.sub(newest, command)
        done = subprocess.run(
            # What the command leaves behind is where it is and what it exports.
            ["bash", "-c", f"{command}\n{{ pwd; env -0; }} > {shlex.quote(str(kept))}"],
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
        )
        place, _, exported = kept.read_text(encoding="utf-8").partition("\n")
        folder = Path(place)
        environment = dict(entry.split("=", 1) for entry in exported.split("\0") if entry)
        newest = (_ID.findall(done.stdout) or [newest])[-1]
        typed.append((step, done.stdout.replace(str(home), HOME).splitlines()))
    return typed
