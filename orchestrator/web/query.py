"""What the address of a page may ask: a misspelt filter must not show something else than was asked for."""

from collections.abc import Collection, Mapping
from datetime import date

from django.core.exceptions import BadRequest
from django.http import HttpRequest
from django.utils.dateparse import parse_date


class BadQuery(BadRequest):
    """The address asks for something that the page does not have; the message says so to a person."""


def refuse_unknown(request: HttpRequest, *known: str) -> None:
    """Raise ``BadQuery`` for a parameter that is not ``known``."""
    if unknown := sorted(set(request.GET) - set(known)):
        raise BadQuery(f"The address asks for {unknown[0]!r}. This page knows {', '.join(known)}.")


def read_choice(query: Mapping[str, str], name: str, allowed: Collection[str]) -> str:
    """The value of a parameter; empty where it is not given. Raises ``BadQuery`` unless it is ``allowed``."""
    value = query.get(name, "").strip()
    if value and value not in allowed:
        raise BadQuery(f"{name} can be {', '.join(allowed)}, not {value[:40]!r}.")
    return value


def read_day(query: Mapping[str, str], name: str) -> date | None:
    """The day of a parameter; None where it is not given. Raises ``BadQuery`` for anything else."""
    value = query.get(name, "").strip()
    if not value:
        return None
    try:
        day = parse_date(value)
    except ValueError:
        day = None
    # The day after the last one of the calendar is an error.
    if day is None or day.year >= date.max.year:
        raise BadQuery(f"{name} is a day such as 2026-01-31, not {value[:40]!r}.")
    return day
