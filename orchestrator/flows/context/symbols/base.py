"""What the reader of every language returns for a file."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Definition:
    """One definition: its name and the lines of its signature, counted from 0, ``end`` excluded."""

    name: str
    first: int
    end: int


Language = Callable[[str], tuple[Definition, ...]]
"""Finds the definitions in the text of a file, by line; none where the file cannot be parsed."""
