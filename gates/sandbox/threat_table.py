"""The table of attacks in ``docs/explanation/threat-model.md``, written from a run and never by hand."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from gates.sandbox.attacks import ATTACKS, AttackResult

BEGIN, END = "<!-- attacks: begin -->", "<!-- attacks: end -->"


def format_table(tried: Mapping[str, Sequence[AttackResult]]) -> str:
    """Markdown: one row for each attack, one column for each backend that was tried."""
    # KeyError when an attack is missing: a table with gaps must not be written.
    verdicts = {(name, each.attack.name): each.breach for name, results in tried.items() for each in results}
    lines = ["| attack | the job | " + " | ".join(tried) + " |", "|---|---|" + "---|" * len(tried)]
    for attack in ATTACKS:
        cells = ["**got through**" if verdicts[name, attack.name] else "held" for name in tried]
        lines.append(f"| `{attack.name}` | {attack.claim} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def parse_rows(text: str) -> dict[str, list[str]]:
    """Attack name to cells, as the document holds them."""
    return {row[0].strip("`"): row[1:] for row in _cells(text) if row[0].startswith("`")}


def parse_columns(text: str) -> list[str]:
    """The backends that the document's table speaks of."""
    return next((row[2:] for row in _cells(text)), [])


def _cells(text: str) -> list[list[str]]:
    body = text.partition(BEGIN)[2].partition(END)[0]
    return [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in body.splitlines()
        if line.startswith("|")
    ]


def write_table(path: str, tried: Mapping[str, Sequence[AttackResult]]) -> None:
    """Replace what is between the two marks in the document at ``path``.

    ``ValueError`` when it has no marks.
    """
    text = Path(path).read_text(encoding="utf-8")
    head, begin, rest = text.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{path} has no marks {BEGIN} and {END}.")
    Path(path).write_text(f"{head}{BEGIN}\n{format_table(tried)}\n{END}{tail}", encoding="utf-8")
