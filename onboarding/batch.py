"""Requests from a list that an SRE pastes or sends as CSV: all of them or none, every bad line at once.

The first line may name the columns; without it they are those of ``COLUMNS``, in this order, and what is
missing at the end of a line is empty.
"""

import csv
import io
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from typing import Final

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import transaction

from onboarding import engine
from onboarding.errors import BatchRefused
from onboarding.models import CiSystem, CodeHostKind, OnboardingRequest
from orchestrator.core.errors import OrchestratorError
from orchestrator.ops.training.errors import BadLine
from orchestrator.repos.models import Phase

COLUMNS: Final = (
    "repo",
    "block_family",
    "team_lead",
    "wanted_on",
    "phase",
    "code_host",
    "ci_system",
    "clone_url",
)
MOST_BYTES: Final = 100_000
MOST_LINES: Final = 500
_MOST_NAMED: Final = 10


def schedule_batch(
    text: str,
    *,
    actor: str,
    person: User | None = None,
    token_maker: User | None = None,
    wanted_on: date | None = None,
) -> list[OnboardingRequest]:
    """Ask for every repo of the list ``text``; ``wanted_on`` is for lines that name no day.

    ``person`` asks by an account, ``token_maker`` by a token of REST. Each is checked and approved as any
    other. Raises ``BatchRefused`` with every line that is wrong.
    """
    bad: list[BadLine] = []
    found: list[tuple[int, engine.NewRequest]] = []
    seen: dict[str, int] = {}
    for number, cells in _read_lines(text):
        try:
            read = _read_request(cells, actor, wanted_on)
            new = replace(read, requested_by=person, token_maker=token_maker)
            name = engine.check_request(new).repo_name
        except ValidationError as error:
            bad += [BadLine(number, name, " ".join(said)) for name, said in error.message_dict.items()]
            continue
        except OrchestratorError as error:
            bad.append(BadLine(number, "repo", error.message))
            continue
        # Two lines about one repo: which of them counts would depend on their order.
        first = seen.setdefault(name, number)
        if first != number:
            bad.append(BadLine(number, "repo", f"names the same repo as line {first}"))
        found.append((number, new))
    # An empty paste is a mistake of the hand, and not a list of nothing.
    if not bad and not found:
        raise BatchRefused("The list is empty.")
    if bad:
        raise BatchRefused(_name_lines(bad), tuple(bad))
    return _create_each(found)


def _name_lines(bad: list[BadLine]) -> str:
    """The message for those who see no list beside it, such as a terminal: the first lines, in words."""
    count = len({one.line for one in bad})
    named = "; ".join(f"line {one.line} {one.column}: {one.message}" for one in bad[:_MOST_NAMED])
    more = "; ..." if len(bad) > _MOST_NAMED else ""
    noun = "line" if count == 1 else "lines"
    return f"{count} {noun} cannot be taken: {named}{more}"


def _create_each(found: list[tuple[int, engine.NewRequest]]) -> list[OnboardingRequest]:
    made: list[OnboardingRequest] = []
    with transaction.atomic():
        for number, new in found:
            try:
                made.append(engine.create_request(new))
            except OrchestratorError as error:
                # Somebody has asked for it since the check: the others are rolled back with it.
                raise BatchRefused(
                    "1 line cannot be taken.", (BadLine(number, "repo", error.message),)
                ) from error
    return made


def _read_lines(text: str) -> Iterator[tuple[int, dict[str, str]]]:
    """Each line with its number and its cells by column."""
    if len(text.encode("utf-8", "surrogatepass")) > MOST_BYTES or "\0" in text:
        raise BatchRefused(f"The list has more than {MOST_BYTES:,} bytes, or a NUL in it.")
    # Spreadsheets write a mark of the byte order before the first column, and people paste tabs.
    clean = text.removeprefix("\ufeff")
    dialect: type[csv.Dialect] = csv.excel_tab if "\t" in clean else csv.excel
    reader = csv.reader(io.StringIO(clean, newline=""), dialect, strict=True)
    columns: tuple[str, ...] = COLUMNS
    count = 0
    try:
        for row in reader:
            cells = [cell.strip() for cell in row]
            # The number of its last line: a line of this list has no line ends in it.
            number = reader.line_num
            if not any(cells):
                continue
            if count == 0 and cells[0].lower() == COLUMNS[0]:
                columns = _read_header(number, cells)
                continue
            count += 1
            if count > MOST_LINES:
                raise BatchRefused(f"The list has more than {MOST_LINES} lines.")
            if len(cells) > len(columns):
                raise BatchRefused(
                    "1 line cannot be taken.",
                    (BadLine(number, "", f"has {len(cells)} columns instead of {len(columns)}"),),
                )
            yield number, dict(zip(columns, cells, strict=False))
    except csv.Error as error:
        raise BatchRefused("The list is not CSV.", (BadLine(reader.line_num, "", str(error)),)) from error


def _read_header(number: int, cells: list[str]) -> tuple[str, ...]:
    # A column that nobody reads would be a wish that is silently left out.
    names = tuple(cell.lower() for cell in cells)
    unknown = [name for name in names if name not in COLUMNS]
    if unknown or len(set(names)) != len(names):
        what = f"{unknown[0]!r} is not a column" if unknown else "a column is named twice"
        raise BatchRefused(
            f"The first line may name: {', '.join(COLUMNS)}.", (BadLine(number, "", what[:200]),)
        )
    return names


def _read_request(cells: dict[str, str], actor: str, wanted_on: date | None) -> engine.NewRequest:
    given = {name: cells.get(name, "") for name in COLUMNS}
    # With a slash it is the code host's name; without one, ours alone.
    path = given["repo"] if "/" in given["repo"] else ""
    day = wanted_on
    if given["wanted_on"]:
        try:
            day = date.fromisoformat(given["wanted_on"])
        except ValueError as error:
            raise ValidationError({"wanted_on": "Write the day as 2026-12-09."}) from error
    if given["phase"] and given["phase"] not in Phase.values:
        raise ValidationError({"phase": f"Use one of: {', '.join(Phase.values)}."})
    return engine.NewRequest(
        repo_name="" if path else given["repo"],
        code_host_path=path,
        block_family=given["block_family"],
        team_lead=given["team_lead"],
        clone_url=given["clone_url"],
        code_host=given["code_host"] or CodeHostKind.GITHUB.value,
        ci_system=given["ci_system"] or CiSystem.GITHUB_ACTIONS.value,
        phase=given["phase"],
        wanted_on=day,
        requested_from=actor,
    )
