"""What was looked at, and what was found."""

from dataclasses import dataclass
from enum import StrEnum


class FindingState(StrEnum):
    """Works; works, but look at it; or does not do what it is there for."""

    OK = "ok"
    NOTE = "note"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class ServerFinding:
    """One thing about a server; the cure is empty where nothing has to be done."""

    name: str
    state: FindingState
    found: str
    cure: str = ""


def find_ok(name: str, found: str) -> ServerFinding:
    """It works."""
    return ServerFinding(name, FindingState.OK, found)


def find_note(name: str, found: str, cure: str) -> ServerFinding:
    """It works, but somebody should look at it."""
    return ServerFinding(name, FindingState.NOTE, found, cure)


def find_wrong(name: str, found: str, cure: str) -> ServerFinding:
    """It does not do what it is there for."""
    return ServerFinding(name, FindingState.WRONG, found, cure)
