"""The repair rounds as diffs: what the implementer changed, file by file, and what it had been told."""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from orchestrator.flows.models import Stage

AROUND = 3
FILES = ("module", "tests", "contract")


@dataclass(frozen=True, slots=True)
class DiffPart:
    """One line of a diff.

    ``sign``: ``+``, ``-``, a blank, ``@`` for the head of a hunk; a number is 0 where there is none.
    """

    sign: str
    old: int
    new: int
    text: str


@dataclass(frozen=True, slots=True)
class FileDiff:
    """One file from a round to the next."""

    path: str
    parts: tuple[DiffPart, ...]

    @property
    def added(self) -> int:
        """Lines that came."""
        return sum(part.sign == "+" for part in self.parts)

    @property
    def removed(self) -> int:
        """Lines that went."""
        return sum(part.sign == "-" for part in self.parts)


@dataclass(frozen=True, slots=True)
class RepairDiff:
    """From one round to the next: why, and what changed."""

    number: int
    feedback: str
    files: tuple[FileDiff, ...]


def diff_texts(path: str, before: str, after: str) -> FileDiff:
    """The changed lines of a file with three lines around them."""
    return FileDiff(path, tuple(_split_hunks(before.splitlines(), after.splitlines())))


def _split_hunks(before: Sequence[str], after: Sequence[str]) -> Iterator[DiffPart]:
    # autojunk takes lines that are frequent in a long file, such as blank ones, for noise: a worse diff.
    for group in difflib.SequenceMatcher(None, before, after, autojunk=False).get_grouped_opcodes(AROUND):
        first, last = group[0], group[-1]
        yield DiffPart("@", 0, 0, f"lines {first[3] + 1} to {last[4]}")
        for tag, low, high, start, end in group:
            if tag == "equal":
                yield from (
                    DiffPart(" ", low + n + 1, start + n + 1, line) for n, line in enumerate(before[low:high])
                )
                continue
            yield from (DiffPart("-", low + n + 1, 0, line) for n, line in enumerate(before[low:high]))
            yield from (DiffPart("+", 0, start + n + 1, line) for n, line in enumerate(after[start:end]))


def list_repairs(
    stages: Sequence[Stage], texts: Mapping[int, Mapping[str, tuple[str, str]]]
) -> list[RepairDiff]:
    """Every repair round.

    ``stages`` are the implement stages in order; ``texts`` maps a stage to kind to path and text.
    """
    found = []
    # A round that failed before it wrote would show every line as removed and then as added again.
    written = [stage for stage in stages if texts.get(stage.pk)]
    for before, after in pairwise(written):
        old, new = texts[before.pk], texts[after.pk]
        changed = (
            diff_texts(new[kind][0], old.get(kind, ("", ""))[1], new[kind][1])
            for kind in FILES
            if kind in new
        )
        found.append(RepairDiff(after.round, after.feedback, tuple(one for one in changed if one.parts)))
    return found
