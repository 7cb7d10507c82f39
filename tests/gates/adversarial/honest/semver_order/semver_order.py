"""Semantic versions: parsing, ordering and bumping."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import total_ordering

_PATTERN = re.compile(
    r"^(?P<major>0|[1-9]\d*)\.(?P<minor>0|[1-9]\d*)\.(?P<patch>0|[1-9]\d*)(?:-(?P<pre>[0-9A-Za-z.-]+))?$"
)


@total_ordering
@dataclass(frozen=True)
class Version:
    major: int
    minor: int
    patch: int
    pre: str = ""

    @classmethod
    def _parse(cls, text: str) -> Version:
        match = _PATTERN.match(text)
        if match is None:
            raise ValueError(f"{text!r} is not a semantic version")
        return cls(int(match["major"]), int(match["minor"]), int(match["patch"]), match["pre"] or "")

    def __str__(self) -> str:
        core = f"{self.major}.{self.minor}.{self.patch}"
        return f"{core}-{self.pre}" if self.pre else core

    @property
    def _key(self) -> tuple[object, ...]:
        identifiers = tuple(
            (0, int(part), "") if part.isdigit() else (1, 0, part) for part in self.pre.split(".") if part
        )
        return self.major, self.minor, self.patch, not self.pre, identifiers

    def __lt__(self, other: object) -> bool:
        if not isinstance(other, Version):
            return NotImplemented
        return self._key < other._key


def compare(first: str, second: str) -> int:
    """-1, 0 or 1, by precedence."""
    one, two = Version._parse(first), Version._parse(second)
    return (one > two) - (one < two)


def bump(version: str, part: str) -> str:
    """The next version after a change to ``part`` (major, minor or patch)."""
    current = Version._parse(version)
    match part:
        case "major":
            following = Version(current.major + 1, 0, 0)
        case "minor":
            following = Version(current.major, current.minor + 1, 0)
        case "patch":
            following = Version(current.major, current.minor, current.patch + (not current.pre))
        case _:
            raise ValueError(f"unknown part {part!r}")
    return str(following)
