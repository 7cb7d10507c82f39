"""Records from a CSV file: all of it or nothing, every bad line at once, and twice does what once does.

1. The text is read with bounds: bytes, lines, columns. The header must be the columns of its kind.
2. Every line is checked, those after a bad one too, so that a file is corrected in one round.
3. Rows are found by their natural key (an address, a reference), so the same file again changes nothing.
4. All of it is one transaction. Of two imports of one file at once, the second waits for the first one's
   rows and then changes them to the same.
"""

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.db import transaction

from orchestrator.ops.training.certificates import issue_earned_certificates
from orchestrator.ops.training.errors import MOST_SHOWN, BadLine, CsvRefused, UnknownImport
from orchestrator.ops.training.import_kinds import IMPORT_KINDS, ImportKind
from orchestrator.ops.training.models import Trainee, TrainingModule, TrainingSession

MOST_BYTES: Final = 1_000_000
MOST_LINES: Final = 5_000
# Many-to-many, and so written beside the row.
_ATTENDEES: Final = "attendees"


@dataclass(frozen=True, slots=True)
class ImportResult:
    """What an import did: lines read, rows added, rows changed, rows that were so already, certificates."""

    kind: str
    lines: int
    added: int
    changed: int
    unchanged: int
    certificates: int


def decode_csv(data: bytes) -> str:
    """The text of an uploaded file; raises ``CsvRefused`` where it is too large or not UTF-8."""
    if len(data) > MOST_BYTES:
        # Before it is decoded: decoding costs memory for every byte.
        raise CsvRefused(f"The file has more than {MOST_BYTES:,} bytes.")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        # The line that an editor shows, which is what people can look for.
        line = data.count(b"\n", 0, error.start) + 1
        raise CsvRefused("The file is not UTF-8.", (BadLine(line, "", "not UTF-8"),)) from error


def import_csv(name: str, text: str, *, actor: str) -> ImportResult:
    """Take the file ``text`` of the kind ``name`` (``people``, ``scores``, ...).

    Raises ``UnknownImport``, and ``CsvRefused`` with every line that is wrong; then nothing was written.
    """
    kind = IMPORT_KINDS.get(name)
    if kind is None:
        raise UnknownImport(
            f"There is no kind of file {name[:100]!r}.", cure=f"Use one of: {', '.join(IMPORT_KINDS)}."
        )
    # Read outside of the transaction: a long file holds no lock while it is parsed.
    records = list(_read_records(kind, text))
    with transaction.atomic():
        rows = _check_records(kind, records)
        added, changed = _write_rows(kind, rows)
        certificates = issue_earned_certificates(actor)
    return ImportResult(name, len(rows), added, changed, len(rows) - added - changed, certificates)


def _read_records(kind: ImportKind, text: str) -> Iterator[tuple[int, list[str]]]:
    """Each line below the header with its number; raises ``CsvRefused`` where it is not such a CSV."""
    # Counted in bytes, so that REST and the admin have one bound.
    if len(text.encode("utf-8", "surrogatepass")) > MOST_BYTES:
        raise CsvRefused(f"The file has more than {MOST_BYTES:,} bytes.")
    if "\0" in text:
        raise CsvRefused("The file has a NUL in it, so it is not text.")
    # Spreadsheets write a mark of the byte order before the first column.
    reader = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True)
    wanted = list(kind.columns)
    begin, count = 1, 0
    try:
        header = [cell.strip() for cell in next(reader, [])]
        # Also in this order: a swapped column of the same type would pass every other check.
        if header != wanted:
            found = BadLine(1, "", f"the header is {','.join(header)[:200]!r}")
            raise CsvRefused(f"The first line must be {','.join(wanted)}.", (found,))
        begin = reader.line_num + 1
        for cells in reader:
            # A blank line, which spreadsheets leave at the end, is not a row.
            if cells:
                count += 1
                if count > MOST_LINES:
                    raise CsvRefused(f"The file has more than {MOST_LINES:,} lines.")
                yield begin, cells
            # A quoted comment may go over several lines; its number is that of the first.
            begin = reader.line_num + 1
    except csv.Error as error:
        raise CsvRefused("The file is not CSV.", (BadLine(begin, "", str(error)),)) from error


def _check_records(kind: ImportKind, records: list[tuple[int, list[str]]]) -> list[dict[str, Any]]:
    """The fields of every line; raises ``CsvRefused`` with all that is wrong."""
    # Two queries for the whole file; a look-up for each line would be thousands.
    context = {
        "trainees": dict(Trainee.objects.values_list("email", "pk")),
        "modules": set(TrainingModule.objects.values_list("pk", flat=True)),
    }
    rows: list[dict[str, Any]] = []
    bad: list[BadLine] = []
    seen: dict[tuple[Any, ...], int] = {}
    for number, cells in records:
        found = _check_line(kind, number, cells, context)
        if isinstance(found, list):
            bad += found
            continue
        key = tuple(found[name] for name in kind.key)
        # Which of two lines about one thing counts would depend on their order.
        first = seen.setdefault(key, number)
        if first != number:
            bad.append(BadLine(number, "", f"names the same as line {first}"))
        rows.append(found)
    if bad:
        lines = len({one.line for one in bad})
        raise CsvRefused(f"{lines} of {len(records)} lines cannot be taken.", tuple(bad[:MOST_SHOWN]))
    return rows


def _check_line(
    kind: ImportKind, number: int, cells: list[str], context: Mapping[str, Any]
) -> dict[str, Any] | list[BadLine]:
    """The fields of one line, or what is wrong with it."""
    if len(cells) != len(kind.columns):
        return [BadLine(number, "", f"has {len(cells)} columns instead of {len(kind.columns)}")]
    given: dict[str, Any] = dict(zip(kind.columns.values(), cells, strict=True))
    # An empty cell is how CSV says that there is none.
    if given.get("module_id") == "":
        given["module_id"] = None
    line = kind.line(data=given, context=dict(context))
    if line.is_valid():
        return dict(line.validated_data)
    columns = {field: column for column, field in kind.columns.items()}
    return [
        BadLine(number, columns.get(field, field), str(message))
        for field, messages in line.errors.items()
        for message in messages
    ]


def _write_rows(kind: ImportKind, rows: list[dict[str, Any]]) -> tuple[int, int]:
    """Write ``rows``; how many were added, and how many changed."""
    attendees = [row.pop(_ATTENDEES, None) for row in rows]
    # Only for the counts: the upsert below decides again under its locks.
    known = _read_known(kind, rows)
    added = [row for row in rows if _key_of(kind, row) not in known]
    changed = [row for row in rows if known.get(_key_of(kind, row), row) != row]
    values = sorted(set(rows[0]) - set(kind.key)) if rows else []
    # In the order of their keys, so that two imports never wait for each other in a circle.
    written = sorted((kind.model(**row) for row in (*added, *changed)), key=lambda one: _sort_key(kind, one))
    if written:
        manager: Any = kind.model._default_manager
        # What another import has inserted in between is changed and does not fail.
        manager.bulk_create(
            written, batch_size=1000, update_conflicts=True, unique_fields=kind.key, update_fields=values
        )
    # A session whose row is as it was may still have other attendees.
    moved = _set_attendees(rows, attendees) if kind.model is TrainingSession else set()
    new = {_key_of(kind, row) for row in added}
    return len(new), len({_key_of(kind, row) for row in changed} | (moved - new))


def _key_of(kind: ImportKind, row: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in kind.key)


def _sort_key(kind: ImportKind, one: Any) -> tuple[str, ...]:
    return tuple(str(getattr(one, name)) for name in kind.key)


def _read_known(kind: ImportKind, rows: list[dict[str, Any]]) -> dict[tuple[Any, ...], dict[str, Any]]:
    """Rows that are there, by their keys, with the fields that a line has."""
    if not rows:
        return {}
    # The first part of the key narrows it enough; the dictionary below does the rest.
    first = kind.key[0]
    manager: Any = kind.model._default_manager
    found = manager.filter(**{f"{first}__in": {row[first] for row in rows}}).values(*rows[0])
    return {_key_of(kind, row): row for row in found}


def _set_attendees(rows: list[dict[str, Any]], attendees: list[Any]) -> set[tuple[Any, ...]]:
    """Write who was there, as the file says; the keys of the sessions where that was different."""
    sessions = TrainingSession.objects.in_bulk([row["reference"] for row in rows], field_name="reference")
    moved: set[tuple[Any, ...]] = set()
    for row, people in zip(rows, attendees, strict=True):
        session = sessions[row["reference"]]
        if set(session.attendees.values_list("pk", flat=True)) != set(people):
            session.attendees.set(people)
            moved.add((row["reference"],))
    return moved
