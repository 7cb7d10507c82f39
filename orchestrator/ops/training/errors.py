"""What can be wrong with a file of records."""

from dataclasses import dataclass
from typing import Final

from orchestrator.core.errors import FixedBy, OrchestratorError

MOST_SHOWN: Final = 200
"""So many bad lines are listed; the message has the number of all of them."""


@dataclass(frozen=True, slots=True)
class BadLine:
    """One thing that is wrong with a file. ``line`` counts from 1, the header included."""

    line: int
    column: str
    message: str


class CsvRefused(OrchestratorError):
    """The file has lines that cannot be taken; none of it was written."""

    code = "training:bad-csv"
    cure = "Correct the lines, then send the whole file again; lines that are known already do no harm."
    fixed_by = FixedBy.REQUESTER

    def __init__(self, message: str = "", bad_lines: tuple[BadLine, ...] = ()) -> None:
        super().__init__(message)
        self.bad_lines = bad_lines


class UnknownImport(OrchestratorError):
    """There is no such kind of file."""

    code = "training:unknown-import"
    fixed_by = FixedBy.REQUESTER
    http_status = 404
