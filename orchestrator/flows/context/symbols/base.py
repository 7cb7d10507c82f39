"""What every language says about a file."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Definition:
    """One definition: its name, and the lines (from 0, end excluded) that hold its signature."""

    name: str
    first: int
    end: int


class Language(Protocol):
    """Finds definitions in the text of a file, in the order of their lines; none in a file that cannot be parsed."""

    def __call__(self, text: str) -> tuple[Definition, ...]: ...
