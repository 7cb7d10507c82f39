"""Files as plain text, each between two lines that carry the nonce of the request: whole, or as edits of a large one.

The nonce is what tells a delimiter from content: generated code cannot know it in advance, so that text which looks like
a delimiter with another nonce, or without one, stays content.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from orchestrator.flows.generation.parsing.edits import apply_edits
from orchestrator.flows.generation.parsing.errors import AnswerUnreadable
from orchestrator.flows.generation.parsing.plain_text import is_storable, strip_invisible, strip_wrapping

MAX_FILE_BYTES = 200_000
MAX_REASON = 2000
"""Characters of a contradiction that are kept."""

_DECORATION = r"[\s#>*`\"']*"
_OPENING = re.compile(
    rf"{_DECORATION}<<<\s*(?P<kind>FILE|EDIT|CONTRADICTION)\b:?\s*(?P<path>.*?)\s*"
    rf"(?:\bnonce=)?(?P<nonce>\b[0-9a-f]{{8,64}})?\s*>>>{_DECORATION}",
    re.IGNORECASE,
)
# Some close a file as they opened it, with its path, or as a tag.
_CLOSING = re.compile(
    r"<<<\s*(?:END\b|/\s*(?:FILE|EDIT)\b)(?:\s+(?:OF\s+)?(?:FILE|EDIT)\b)?:?\s*(?:[^\s<>]+\s+)??"
    r"(?:\bnonce=)?(?P<nonce>[0-9a-f]*)\s*>>>[\s*`\"']*$",
    re.IGNORECASE,
)
_CLOSING_OF_SORTS = re.compile(r"^[\s#>*`]*<<<\s*(END\b|/)", re.IGNORECASE)
_FENCE = re.compile(r"\s*(?P<fence>`{3,}|~{3,})\s*(?P<language>[\w+-]*)\s*")


class RequestContradicted(Exception):
    """The model says that what it was asked for contradicts itself; the message is its reason."""


def parse_files(
    text: str,
    nonce: str,
    allowed_paths: Collection[str],
    *,
    originals: Mapping[str, str] | None = None,
    may_contradict: bool = False,
) -> dict[str, str]:
    """The files of an answer: exactly ``allowed_paths``, each ending in one newline.

    A path that is answered twice counts as last written: models correct themselves. ``originals`` are texts that may be
    answered as edits, or left out where nothing changes in them. Raises ``Unreadable`` (``answer:unparseable``,
    ``wrong-nonce``, ``truncated``, ``forbidden-path``, ``missing-file``, ``empty-file``, ``too-large``, ``edit-mismatch``,
    ``ambiguous``), and ``Contradicted`` where the answer may be that and is nothing else.
    """
    scan, originals = _scan(strip_wrapping(text), nonce), originals or {}
    if may_contradict:
        _check_contradiction(scan)
    found = _found(scan, nonce, allowed_paths, originals)
    if scan.open_path is not None:
        raise AnswerUnreadable(
            "answer:truncated",
            f"{scan.open_path!r} has no END line: the answer is cut off or its delimiter is misspelt.",
            f"Close every file with a line `<<<END {nonce}>>>` of its own.",
        )
    missing = [path for path in allowed_paths if path not in found and (path not in originals or not found)]
    if missing:
        raise _missing(missing, found, scan, nonce)
    for path, content in found.items():
        _check(path, content)
    return {path: found.get(path) or originals[path] for path in allowed_paths}


def parse_whole_files(text: str, nonce: str, allowed_paths: Collection[str]) -> dict[str, str]:
    """The files that are whole in an answer which was cut off; empty where there is none. Raises ``Unreadable`` as ``files``."""
    scan = _scan(strip_wrapping(text), nonce)
    found = _found(scan, nonce, allowed_paths, {})
    for path, content in found.items():
        _check(path, content)
    # One that was begun again is being corrected: the first try does not count.
    return {path: found[path] for path in allowed_paths if path in found and path != scan.open_path}


def _found(
    scan: "_Scan", nonce: str, allowed_paths: Collection[str], originals: Mapping[str, str]
) -> dict[str, str]:
    """Path to text of every section that was closed. Raises ``Unreadable`` for a path that may not be answered."""
    sections = [section for section in scan.sections if section.kind != "CONTRADICTION"]
    forbidden = sorted({section.path for section in sections} - set(allowed_paths))
    if forbidden:
        raise AnswerUnreadable(
            "answer:forbidden-path",
            f"The answer contains {_listed(forbidden)}, which this stage may not write.",
            f"Answer only {_listed(sorted(allowed_paths))}; no other path, no folder.",
        )
    return {section.path: _content(section, nonce, originals) for section in sections}


def _content(section: "_Section", nonce: str, originals: Mapping[str, str]) -> str:
    if section.kind == "FILE":
        return _unfenced(section.path, section.lines)
    if section.path not in originals:
        raise AnswerUnreadable(
            "answer:edit-mismatch",
            f"{section.path} may not be answered as edits.",
            f"Write the whole of {section.path}.",
        )
    return apply_edits(section.path, originals[section.path], section.lines, nonce)


def _check_contradiction(scan: "_Scan") -> None:
    said = [section for section in scan.sections if section.kind == "CONTRADICTION"]
    if not said:
        return
    if len(said) < len(scan.sections) or scan.open_path is not None:
        raise AnswerUnreadable(
            "answer:ambiguous",
            "The answer holds files and says that the request contradicts itself.",
            "Answer either all files, or the contradiction alone.",
        )
    reason = "\n".join(_stripped(said[-1].lines))
    if not reason or not is_storable(reason):
        raise AnswerUnreadable(
            "answer:unparseable",
            "The contradiction has no reason.",
            "Say which two sentences contradict each other.",
        )
    raise RequestContradicted(reason[:MAX_REASON])


@dataclass(frozen=True)
class _Section:
    """``kind`` is FILE, EDIT or CONTRADICTION."""

    kind: str
    path: str
    lines: list[str]


@dataclass
class _Scan:
    """What the lines of an answer were."""

    sections: list[_Section] = field(default_factory=list)
    open_path: str | None = None
    open_kind: str = ""
    strangers: int = 0
    """Delimiters outside of files with a wrong nonce or none."""


def _scan(text: str, nonce: str) -> _Scan:
    scan = _Scan()
    content: list[str] = []
    for line in text.split("\n"):
        opening = _delimiter(_OPENING, line)
        if opening and _same(opening["nonce"], nonce):
            if scan.open_path is not None:
                _close(scan, content, implicit=True)
            scan.open_path, scan.open_kind, content = _path(opening["path"]), opening["kind"].upper(), []
        elif scan.open_path is None:
            scan.strangers += bool(opening)
        else:
            closing = _CLOSING.search(strip_invisible(line)) if "<<<" in line else None
            if closing and _same(closing["nonce"], nonce):
                # What stands before the delimiter is the last line of the file, unless it only decorates the delimiter.
                content.append(line[: line.index("<<<")].rstrip(" \t#*`>"))
                _close(scan, content, implicit=False)
            else:
                content.append(line)
    return scan


def _delimiter(pattern: re.Pattern[str], line: str) -> re.Match[str] | None:
    # Most lines are code: the plain search keeps the pattern away from them.
    return pattern.fullmatch(strip_invisible(line)) if "<<<" in line else None


def _same(found: str | None, nonce: str) -> bool:
    return found is not None and found.lower() == nonce.lower()


def _close(scan: _Scan, content: list[str], *, implicit: bool) -> None:
    """End the open file. Where the next FILE line ends it, a misspelt END must not become part of the file."""
    path = scan.open_path or ""
    if implicit and any(
        _CLOSING_OF_SORTS.search(strip_invisible(line)) or _CLOSING.search(line) for line in content
    ):
        raise AnswerUnreadable(
            "answer:wrong-nonce",
            f"{path!r} is closed with another nonce than the request's.",
            "Copy the nonce of the request into every FILE and END line.",
        )
    scan.sections.append(_Section(scan.open_kind, path, content))
    scan.open_path = None


def _path(text: str) -> str:
    return text.strip(" \t\"'`*").removeprefix("./")


def _unfenced(path: str, lines: list[str]) -> str:
    """The content without a Markdown fence around it; fences that belong to a Markdown file stay."""
    lines = list(_stripped(lines))
    if lines and (first := _FENCE.fullmatch(lines[0])):
        markdown = path.endswith(".md")
        closed = len(lines) > 1 and lines[-1].strip() == first["fence"]
        if not markdown or (closed and first["language"].lower() in {"markdown", "md"}):
            lines = lines[1:-1] if closed else lines[1:]
    elif lines and not path.endswith(".md") and lines[-1].strip() in {"```", "~~~"}:
        lines = lines[:-1]
    text = "\n".join(_stripped(lines)).lstrip("\ufeff")
    return f"{text}\n" if text else ""


def _stripped(lines: list[str]) -> Iterator[str]:
    filled = [number for number, line in enumerate(lines) if line.strip()]
    return iter(lines[filled[0] : filled[-1] + 1] if filled else [])


def _check(path: str, content: str) -> None:
    if not content:
        raise AnswerUnreadable(
            "answer:empty-file", f"{path} is empty.", f"Write the whole of {path}; no placeholder."
        )
    if not is_storable(content):
        raise AnswerUnreadable(
            "answer:unparseable",
            f"{path} holds NUL bytes or lone surrogates.",
            f"Write {path} as plain UTF-8 text.",
        )
    if len(content.encode()) > MAX_FILE_BYTES:
        raise AnswerUnreadable(
            "answer:too-large",
            f"{path} is larger than {MAX_FILE_BYTES} bytes.",
            f"Write a much shorter {path}.",
        )


def _missing(missing: list[str], found: dict[str, str], scan: _Scan, nonce: str) -> AnswerUnreadable:
    if not found and scan.strangers:
        return AnswerUnreadable(
            "answer:wrong-nonce",
            "The answer's delimiters carry another nonce than the request's, or none.",
            f"Use the nonce {nonce} of this request in every FILE and END line.",
        )
    if not found:
        return AnswerUnreadable(
            "answer:unparseable",
            "The answer contains no file between delimiters.",
            f"Put each file between a line `<<<FILE path {nonce}>>>` and a line `<<<END {nonce}>>>`.",
        )
    return AnswerUnreadable(
        "answer:missing-file",
        f"The answer lacks {_listed(missing)}.",
        f"Answer all files in full, also the unchanged ones; missing: {_listed(missing)}.",
    )


def _listed(paths: Collection[str]) -> str:
    return ", ".join(path[:100] for path in list(paths)[:10])
