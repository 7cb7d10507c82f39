"""Which files git would ignore, for folders without git: the patterns of ``.gitignore`` files, as
gitignore(5) describes them.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

_SET = re.compile(r"\[(!|\^)?(\]?[^\]]*)\]")
_WILDCARDS = {"*": "[^/]*", "?": "[^/]"}


@dataclass(frozen=True, slots=True)
class IgnoreRule:
    """One line of a ``.gitignore`` in the folder ``base`` (a path with a slash at its end, or empty)."""

    base: str
    pattern: re.Pattern[str]
    negated: bool
    folders_only: bool

    def matches(self, path: str, *, is_folder: bool) -> bool:
        """Whether the pattern fits ``path``, which is relative to the root."""
        if not path.startswith(self.base) or (self.folders_only and not is_folder):
            return False
        return self.pattern.fullmatch(path[len(self.base) :]) is not None


def parse_rules(text: str, base: str = "") -> list[IgnoreRule]:
    """The rules of one file, in its order."""
    rules = (_parse_line(line, base) for line in text.splitlines())
    return [rule for rule in rules if rule is not None]


def is_ignored(path: str, rules: Sequence[IgnoreRule], *, is_folder: bool) -> bool:
    """Whether the last rule that matches ``path`` ignores it.

    Ask about its folders first: what is in an ignored folder cannot be brought back by a rule.
    """
    # git lets the last matching rule decide, so the search starts there and ends at the first match.
    for rule in reversed(rules):
        if rule.matches(path, is_folder=is_folder):
            return not rule.negated
    return False


def _parse_line(line: str, base: str) -> IgnoreRule | None:
    # Spaces at the end do not count, unless a backslash keeps them.
    line = re.sub(r"(?<!\\)\s+$", "", line)
    if not line or line.startswith("#"):
        return None
    negated = line.startswith("!")
    line = line.removeprefix("!")
    folders_only = line.endswith("/")
    line = line.rstrip("/")
    if not line:
        return None
    # A slash anywhere but at the end ties a pattern to the folder of its file; any other fits at every depth.
    anywhere = "" if "/" in line else "(?:.*/)?"
    try:
        pattern = re.compile(anywhere + _translate_glob(line.lstrip("/")), re.DOTALL)
    except re.error:
        return None  # a set such as [z-a]: git matches nothing with it either
    return IgnoreRule(base, pattern, negated, folders_only)


def _translate_glob(glob: str) -> str:
    """A glob as a regular expression: ``*`` and ``?`` stop at slashes, ``**`` does not."""
    parts = []
    place = 0
    while place < len(glob):
        part, length = _translate_token(glob, place)
        parts.append(part)
        place += length
    return "".join(parts)


def _translate_token(glob: str, place: int) -> tuple[str, int]:
    """The expression for what is at ``place``, and how many characters of the glob it takes."""
    rest = glob[place:]
    starts_part = place == 0 or glob[place - 1] == "/"
    if starts_part and rest.startswith("**/"):
        return "(?:.*/)?", 3
    if starts_part and rest == "**":
        return ".+", 2
    if found := _SET.match(rest):
        negation = "^" if found[1] else ""
        members = found[2].replace("\\", "\\\\").replace("[", "\\[")
        # Not even a negated set matches a slash.
        return f"(?!/)[{negation}{members}]", found.end()
    if rest[0] in _WILDCARDS:
        return _WILDCARDS[rest[0]], 1
    if rest[0] == "\\" and len(rest) > 1:
        return re.escape(rest[1]), 2
    return re.escape(rest[0]), 1
