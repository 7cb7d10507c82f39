"""Pieces of Markdown that every generated page has."""

from collections.abc import Iterable, Sequence

GENERATED = "<!-- Generated from the code by `make reference`. Change the code, not this page. -->"


def build_page(title: str, *parts: str) -> str:
    """A page with its title and the mark of a generated page."""
    return "\n\n".join((f"# {title}", GENERATED, *parts)) + "\n"


def build_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; a cell may hold any text."""
    lines = [f"| {' | '.join(header)} |", f"|{'---|' * len(header)}"]
    lines += [f"| {' | '.join(map(escape_cell, row))} |" for row in rows]
    return "\n".join(lines)


def escape_cell(text: str) -> str:
    """``text`` on one line, with nothing in it that ends a cell or begins a tag."""
    flat = " ".join(text.split()).replace("|", "\\|")
    parts = flat.split("`")
    # Inside backticks characters stand for themselves; an odd backtick closes nothing, so none is code then.
    plain = range(len(parts)) if len(parts) % 2 == 0 else range(0, len(parts), 2)
    for number in plain:
        parts[number] = parts[number].replace("<", "&lt;").replace("*", "\\*").replace("[", "\\[")
    return "`".join(parts)
