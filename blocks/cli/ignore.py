"""Which files git would ignore, for folders without git: the patterns of ``.gitignore`` files, as gitignore(5) describes them."""

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of a ``.gitignore`` that lies in ``base`` (a path with a slash at its end, or empty)."""

    base: str
    pattern: re.Pattern[str]
    negated: bool
    folders_only: bool

    def matches(self, path: str, *, is_folder: bool) -> bool:
        if not path.startswith(self.base) or (self.folders_only and not is_folder):
            return False
        return self.pattern.fullmatch(path[len(self.base) :]) is not None


def rules(text: str, base: str = "") -> list[Rule]:
    """The rules of one file, in its order."""
    return [rule for line in text.splitlines() if (rule := _rule(line, base)) is not None]


def ignored(path: str, in_force: list[Rule], *, is_folder: bool) -> bool:
    """Whether the last rule that matches ``path`` ignores it. Its folders are to be asked about first: what is in an ignored one
    cannot be let in again."""
    for rule in reversed(in_force):
        if rule.matches(path, is_folder=is_folder):
            return not rule.negated
    return False


def _rule(line: str, base: str) -> Rule | None:
    line = re.sub(r"(?<!\\)\s+$", "", line)
    if not line or line.startswith("#"):
        return None
    negated = line.startswith("!")
    line = line[negated:]
    folders_only = line.endswith("/")
    line = line.rstrip("/") if folders_only else line
    anchored = "/" in line
    try:
        pattern = re.compile(("" if anchored else "(?:.*/)?") + _expression(line.lstrip("/")), re.DOTALL)
    except re.error:
        return None  # a set that is none: git matches nothing with it either
    return Rule(base, pattern, negated, folders_only) if line else None


def _expression(glob: str) -> str:
    """A glob as a regular expression: ``*`` and ``?`` stop at slashes, ``**`` does not."""
    parts, place = [], 0
    while place < len(glob):
        rest = glob[place:]
        if rest.startswith("**/") and (place == 0 or glob[place - 1] == "/"):
            parts.append("(?:.*/)?")
            place += 3
        elif rest == "**" and (place == 0 or glob[place - 1] == "/"):
            parts.append(".+")
            place += 2
        elif found := re.match(r"\[(!|\^)?(\]?[^\]]*)\]", rest):
            inside = found[2].replace("\\", "\\\\").replace("[", "\\[")
            parts.append(f"(?!/)[{'^' if found[1] else ''}{inside}]")
            place += found.end()
        else:
            parts.append(
                {"*": "[^/]*", "?": "[^/]"}.get(rest[0])
                or re.escape(rest[1] if rest[0] == "\\" and rest[1:] else rest[0])
            )
            place += 2 if rest[0] == "\\" and rest[1:] else 1
    return "".join(parts)
