"""What every language says about a file."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Definition:
    """One definition: its name, and the lines (from 0, end excluded) that hold its signature."""

    name: str
    first: int
    end: int


Language = Callable[[str], tuple[Definition, ...]]
"""Finds definitions in the text of a file, in the order of their lines; none in a file that cannot be parsed."""
