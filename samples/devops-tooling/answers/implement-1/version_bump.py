"""The next version and its changelog from commit messages.

Sources: Semantic Versioning 2.0.0 and Conventional Commits 1.0.0. Only the first line and the footers of a message
matter. Before 1.0.0 anything may change, so a breaking change raises the minor part there (semver, item 4).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

SECTIONS = (("feat", "Features"), ("fix", "Fixes"), ("perf", "Performance"), ("revert", "Reverts"))
MAX_PART = 999_999
_VERSION = re.compile(r"(0|[1-9][0-9]{0,5})\.(0|[1-9][0-9]{0,5})\.(0|[1-9][0-9]{0,5})")
_HEADER = re.compile(r"([a-z]+)(?:\(([a-z0-9_./-]+)\))?(!)?: (\S.*)")
_BREAKING = re.compile(r"BREAKING[ -]CHANGE: (\S.*)")


@dataclass(frozen=True)
class Commit:
    """A message that follows the convention; ``breaking`` says what breaks, empty where nothing does."""

    kind: str
    scope: str
    text: str
    breaking: str


@dataclass(frozen=True)
class Release:
    """``version`` equals the current one where ``bump`` is ``none``. ``ignored`` messages follow no convention."""

    version: str
    bump: str
    changelog: str
    ignored: int


def next_release(current: str, messages: Sequence[str]) -> Release:
    """The release that follows ``current`` (``1.4.2``, without a leading v) after commits with ``messages``.

    Raises ``ValueError`` for a version that is none, and where a part would exceed 999999.
    """
    match = _VERSION.fullmatch(current)
    if not match:
        raise ValueError(f"not a version: {current!r}")
    parsed = [parse(message) for message in messages]
    commits = [commit for commit in parsed if commit is not None]
    major, minor, patch = (int(part) for part in match.groups())
    bump = _bump(commits, stable=major > 0)
    parts = {"major": (major + 1, 0, 0), "minor": (major, minor + 1, 0), "patch": (major, minor, patch + 1)}
    numbers = parts.get(bump, (major, minor, patch))
    if max(numbers) > MAX_PART:
        raise ValueError(f"{current}: cannot raise the {bump} part above {MAX_PART}")
    version = ".".join(str(number) for number in numbers)
    changelog = _changelog(version, commits) if bump != "none" else ""
    return Release(version, bump, changelog, len(parsed) - len(commits))


def parse(message: str) -> Commit | None:
    """A commit, or ``None`` for a message that does not follow the convention."""
    lines = [line.rstrip() for line in message.split("\n")]
    header = _HEADER.fullmatch(lines[0])
    if not header:
        return None
    kind, scope, mark, text = header.groups()
    notes = [note.group(1) for note in map(_BREAKING.fullmatch, lines[1:]) if note]
    breaking = notes[0] if notes else text if mark else ""
    return Commit(kind, scope or "", text, breaking)


def _bump(commits: Sequence[Commit], stable: bool) -> str:
    if any(commit.breaking for commit in commits):
        return "major" if stable else "minor"
    kinds = {commit.kind for commit in commits}
    if "feat" in kinds:
        return "minor"
    return "patch" if kinds & {"fix", "perf", "revert"} else "none"


def _changelog(version: str, commits: Sequence[Commit]) -> str:
    """Markdown: what breaks first, then a section per kind, in the order of the commits; other kinds are left out."""
    sections = [("Breaking changes", [_line(commit.scope, commit.breaking) for commit in commits if commit.breaking])]
    for kind, title in SECTIONS:
        sections.append((title, [_line(commit.scope, commit.text) for commit in commits if commit.kind == kind]))
    body = [f"### {title}\n\n" + "\n".join(lines) + "\n" for title, lines in sections if lines]
    return "\n".join([f"## {version}\n", *body])


def _line(scope: str, text: str) -> str:
    return f"- **{scope}:** {text}" if scope else f"- {text}"
