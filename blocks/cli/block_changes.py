"""What a block changes in the catalog of this repo: file by file, as a unified diff."""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from blocks.cli.catalog import check_files
from blocks.cli.sealed_block import read_block
from blocks.format.manifest import MANIFEST
from blocks.format.statements import FOLDER as STATEMENTS

_PROOFS = ("evidence/", STATEMENTS)
_STYLES = {"+": "green", "-": "red", "@": "cyan"}


@dataclass(frozen=True, slots=True)
class FileChange:
    """A file of a block beside the one in place.

    ``kind`` is added, changed or removed; ``lines`` are those of a unified diff, none where a file is not
    text.
    """

    path: str
    kind: str
    lines: tuple[str, ...] = field(repr=False)

    @property
    def added(self) -> int:
        """How many lines are new."""
        return _count(self.lines, "+")

    @property
    def removed(self) -> int:
        """How many lines are gone."""
        return _count(self.lines, "-")


def compare_block(files: Mapping[str, bytes], blocks_folder: Path) -> list[FileChange]:
    """What putting a block of ``files`` in place would change. Evidence is left out: it differs always."""
    # Before its names become a path below the catalog.
    manifest = check_files(files)
    place = blocks_folder / "catalog" / manifest.family / manifest.name
    old = read_block(place).files if place.is_dir() else {}
    found = []
    for path in sorted(files.keys() | old.keys()):
        before, after = old.get(path), files.get(path)
        if before != after and path != MANIFEST and not path.startswith(_PROOFS):
            found.append(_compare_file(f"{manifest.family}/{manifest.name}/{path}", before, after))
    return found


def _compare_file(path: str, before: bytes | None, after: bytes | None) -> FileChange:
    # An empty file that appears is added, although its diff has no line.
    kind = "added" if before is None else "changed"
    if after is None:
        kind = "removed"
    try:
        old, new = (before or b"").decode().splitlines(), (after or b"").decode().splitlines()
    except UnicodeDecodeError:
        return FileChange(path, kind, ())
    # The two lines of headings name the files, which the caller does in its own way.
    lines = list(difflib.unified_diff(old, new, lineterm=""))[2:]
    return FileChange(path, kind, tuple(lines))


def _count(lines: Sequence[str], sign: str) -> int:
    return sum(line.startswith(sign) for line in lines)


def describe(changes: Sequence[FileChange]) -> dict[str, Any]:
    """The changes for machines."""
    return {
        "changes": [
            {
                "path": one.path,
                "kind": one.kind,
                "added": one.added,
                "removed": one.removed,
                "diff": one.lines,
            }
            for one in changes
        ]
    }


def print_changes(console: Console, changes: Sequence[FileChange]) -> None:
    """The changes for people, and their sum last."""
    for change in changes:
        console.print(Text(f"{change.kind} {change.path}", style="bold"), soft_wrap=True)
        for line in change.lines:
            console.print(Text(line, style=_STYLES.get(line[:1], "")), soft_wrap=True)
    added = sum(change.added for change in changes)
    removed = sum(change.removed for change in changes)
    files = "1 file" if len(changes) == 1 else f"{len(changes)} files"
    console.print(f"{files} would change: +{added} -{removed}" if changes else "It is in place already.")
