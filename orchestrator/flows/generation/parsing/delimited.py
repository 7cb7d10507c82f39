"""Files as plain text, each between two lines that carry the nonce of the request: whole, or as edits.

The nonce distinguishes a delimiter from content. Generated code cannot know it in advance, so text that looks
like a delimiter with another nonce, or without one, stays content.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

import re2

from orchestrator.flows.generation.parsing.contradictions import MAX_REASON, check_reason, is_absent
from orchestrator.flows.generation.parsing.edits import apply_edits
from orchestrator.flows.generation.parsing.elision import check_whole
from orchestrator.flows.generation.parsing.errors import AnswerUnreadable, RequestContradicted
from orchestrator.flows.generation.parsing.plain_text import is_storable, simplify_line, strip_wrapping

MAX_FILE_BYTES = 200_000

# By RE2, in linear time: behind `<<<FILE` a model may write spaces without end, and a pattern that tries
# every way to divide them would hold up all stages of its worker.
# Models write a delimiter as a quotation, a heading, bold text or code, and with or without `nonce=`.
_DECORATION = r"[\s#>*`\"']*"
_OPENING = re2.compile(
    rf"(?i){_DECORATION}<<<\s*(?P<kind>FILE|EDIT|CONTRADICTION)\b:?\s*(?P<path>.*?)\s*"
    rf"(?:\bnonce=)?(?P<nonce>\b[0-9a-f]{{8,64}})?\s*>>>{_DECORATION}"
)
# Some models close a file the way they opened it, with its path, or as a tag. Text may precede the delimiter,
# because some end the last line of a file without a line break.
_CLOSING = re2.compile(
    r"(?i)<<<\s*(?:END\b|/\s*(?:FILE|EDIT)\b)(?:\s+(?:OF\s+)?(?:FILE|EDIT)\b)?:?\s*(?:[^\s<>]+\s+)??"
    r"(?:\bnonce=)?(?P<nonce>[0-9a-f]*)\s*>>>[\s*`\"']*$"
)
# With any nonce or none: such a line inside a file is most likely a misspelt end.
_LIKE_CLOSING = re2.compile(r"(?i)^[\s#>*`]*<<<\s*(END\b|/)")
_FENCE = re2.compile(r"\s*(?P<fence>`{3,}|~{3,})\s*(?P<language>[\w+-]*)\s*")


def parse_files(
    text: str,
    nonce: str,
    allowed_paths: Collection[str],
    *,
    originals: Mapping[str, str] | None = None,
    request: str | None = None,
) -> dict[str, str]:
    """The files of an answer: exactly ``allowed_paths``, each ending in one newline.

    Of a path that is answered twice, the last text counts: models correct themselves. ``originals`` are texts
    that may be answered as edits, or left out where nothing changes in them. ``request`` is the feature
    request as the model saw it, where the answer may be that it contradicts itself.

    Raises ``AnswerUnreadable`` (``answer:unparseable``, ``wrong-nonce``, ``truncated``, ``forbidden-path``,
    ``missing-file``, ``empty-file``, ``too-large``, ``elided``, ``edit-mismatch``, ``ambiguous``,
    ``unquoted-contradiction``). Raises ``RequestContradicted`` where the answer is a contradiction that
    quotes ``request``, and nothing else.
    """
    scan = _scan_lines(strip_wrapping(text), nonce)
    originals = originals or {}
    if request is not None:
        _check_contradiction(scan, request)
    found = _read_sections(scan, nonce, allowed_paths, originals)
    # After the sections: a path that may not be answered is the worse fault, and the one to report.
    if scan.open_path is not None:
        raise AnswerUnreadable(
            "answer:truncated",
            f"{scan.open_path!r} has no END line: the answer is cut off or its delimiter is misspelt.",
            f"Close every file with a line `<<<END {nonce}>>>` of its own.",
        )
    # An original may be left out, but not every file: an answer without any section is not "no changes".
    missing = [path for path in allowed_paths if path not in found and (path not in originals or not found)]
    if missing:
        raise _missing_error(missing, found, scan, nonce)
    for path, content in found.items():
        _check_content(path, content)
    return {path: found.get(path) or originals[path] for path in allowed_paths}


def parse_whole_files(text: str, nonce: str, allowed_paths: Collection[str]) -> dict[str, str]:
    """The files that are whole in an answer that was cut off; empty where there are none.

    Raises ``AnswerUnreadable`` as ``parse_files`` does.
    """
    scan = _scan_lines(strip_wrapping(text), nonce)
    found = _read_sections(scan, nonce, allowed_paths, {})
    for path, content in found.items():
        _check_content(path, content)
    # The model was correcting the file that it began a second time, so its first text does not count.
    return {path: found[path] for path in allowed_paths if path in found and path != scan.open_path}


def _read_sections(
    scan: "_Scan", nonce: str, allowed_paths: Collection[str], originals: Mapping[str, str]
) -> dict[str, str]:
    """Path to text of every closed section. Raises ``AnswerUnreadable`` for a path that is not allowed."""
    sections = [section for section in scan.sections if section.kind != "CONTRADICTION"]
    forbidden = sorted({section.path for section in sections} - set(allowed_paths))
    if forbidden:
        raise AnswerUnreadable(
            "answer:forbidden-path",
            f"The answer contains {_list_paths(forbidden)}, which this stage may not write.",
            f"Answer only {_list_paths(sorted(allowed_paths))}; no other path, no folder.",
        )
    return {section.path: _read_section(section, nonce, originals) for section in sections}


def _read_section(section: "_Section", nonce: str, originals: Mapping[str, str]) -> str:
    if section.kind == "FILE":
        return _strip_fence(section.path, section.lines)
    if section.path not in originals:
        raise AnswerUnreadable(
            "answer:edit-mismatch",
            f"{section.path} may not be answered as edits.",
            f"Write the whole of {section.path}.",
        )
    return apply_edits(section.path, originals[section.path], section.lines, nonce)


def _check_contradiction(scan: "_Scan", request: str) -> None:
    """Raise ``RequestContradicted`` where the answer says so, ``AnswerUnreadable`` where it is unclear."""
    contradictions = [section for section in scan.sections if section.kind == "CONTRADICTION"]
    said = ["\n".join(_strip_blank_lines(section.lines)) for section in contradictions]
    # Beside files, a section that says "none" is a form filled in, and harmless.
    files_too = len(contradictions) < len(scan.sections) or scan.open_path is not None
    if files_too:
        said = [reason for reason in said if not is_absent(reason)]
    if not said:
        return
    # Files and a contradiction together: the text of either may have been injected, so neither counts.
    if files_too:
        raise AnswerUnreadable(
            "answer:ambiguous",
            "The answer holds files and says that the request contradicts itself.",
            "Answer either all files, or the contradiction alone.",
        )
    reason = said[-1]
    if is_absent(reason) or not is_storable(reason):
        raise AnswerUnreadable(
            "answer:unparseable",
            "The contradiction has no reason.",
            "Say which two sentences contradict each other.",
        )
    check_reason(reason, request)
    raise RequestContradicted(reason[:MAX_REASON])


@dataclass(frozen=True)
class _Section:
    """What was between two delimiters. ``kind`` is FILE, EDIT or CONTRADICTION."""

    kind: str
    path: str
    lines: list[str]


@dataclass
class _Scan:
    """The sections of an answer, and how it ended: ``open_path`` is a section without an end."""

    sections: list[_Section] = field(default_factory=list)
    open_path: str | None = None
    open_kind: str = ""
    foreign_delimiters: int = 0
    """Counts delimiters outside of files with a wrong nonce or none."""


def _scan_lines(text: str, nonce: str) -> _Scan:
    scan = _Scan()
    content: list[str] = []
    for line in text.split("\n"):
        # Most lines are code: the plain search is fast and spares them the slow pattern.
        opening = _OPENING.fullmatch(simplify_line(line)) if "<<<" in line else None
        if opening and _has_nonce(opening["nonce"], nonce):
            # A new section ends the open one: some models forget the END between two files.
            if scan.open_path is not None:
                _close_section(scan, content, implicit=True)
            scan.open_path, scan.open_kind, content = (
                _clean_path(opening["path"]),
                opening["kind"].upper(),
                [],
            )
        elif scan.open_path is None:
            scan.foreign_delimiters += bool(opening)
        else:
            closing = _CLOSING.search(simplify_line(line)) if "<<<" in line else None
            if closing and _has_nonce(closing["nonce"], nonce):
                # Text before the delimiter is the last line of the file, except for decoration.
                content.append(line[: line.index("<<<")].rstrip(" \t#*`>"))
                _close_section(scan, content, implicit=False)
            else:
                content.append(line)
    return scan


def _has_nonce(found: str | None, nonce: str) -> bool:
    # The nonce is hexadecimal, and some models write it in capitals.
    return found is not None and found.lower() == nonce.lower()


def _close_section(scan: _Scan, content: list[str], *, implicit: bool) -> None:
    """End the open section. ``implicit`` says that the next opening line ended it, not an END of its own."""
    path = scan.open_path or ""
    # Without this check, a misspelt END would become a line of the file.
    if implicit and any(_is_like_closing(line) for line in content):
        raise AnswerUnreadable(
            "answer:wrong-nonce",
            f"{path!r} is closed with another nonce than the request's.",
            "Copy the nonce of the request into every FILE and END line.",
        )
    scan.sections.append(_Section(scan.open_kind, path, content))
    scan.open_path = None


def _is_like_closing(line: str) -> bool:
    plain = simplify_line(line) if "<<<" in line else ""
    return bool(_LIKE_CLOSING.search(plain) or _CLOSING.search(plain))


def _clean_path(text: str) -> str:
    return text.strip(" \t\"'`*").removeprefix("./")


def _strip_fence(path: str, lines: list[str]) -> str:
    """The content without a Markdown fence around it; fences that belong to a Markdown file stay."""
    lines = list(_strip_blank_lines(lines))
    # A README may begin with a code example, so its fence goes only if it says that it holds Markdown.
    if lines and (first := _FENCE.fullmatch(simplify_line(lines[0]))):
        markdown = path.endswith(".md")
        closed = len(lines) > 1 and lines[-1].strip() == first["fence"]
        if not markdown or (closed and first["language"].lower() in {"markdown", "md"}):
            lines = lines[1:-1] if closed else lines[1:]
    # Half a fence remains where a model put the opening one before the FILE line.
    elif lines and not path.endswith(".md") and lines[-1].strip() in {"```", "~~~"}:
        lines = lines[:-1]
    text = "\n".join(_strip_blank_lines(lines)).lstrip("\ufeff")
    return f"{text}\n" if text else ""


def _strip_blank_lines(lines: list[str]) -> Iterator[str]:
    filled = [number for number, line in enumerate(lines) if line.strip()]
    return iter(lines[filled[0] : filled[-1] + 1] if filled else [])


def _check_content(path: str, content: str) -> None:
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
    check_whole(path, content)


def _missing_error(missing: list[str], found: dict[str, str], scan: _Scan, nonce: str) -> AnswerUnreadable:
    # The most precise reason first: what to correct depends on how much of the format the answer followed.
    if not found and scan.foreign_delimiters:
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
        f"The answer lacks {_list_paths(missing)}.",
        f"Answer all files in full, also the unchanged ones; missing: {_list_paths(missing)}.",
    )


def _list_paths(paths: Collection[str]) -> str:
    # Paths of an answer are hostile text of any length, and go into messages and into the second question.
    return ", ".join(path[:100] for path in list(paths)[:10])
