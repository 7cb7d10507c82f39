"""How a command ends: exit codes, and a failure that names its cure."""

from enum import IntEnum

from blocks.format.errors import BlocksError


class Exit(IntEnum):
    """The exit codes that scripts rely on."""

    DONE = 0
    FAILED = 1
    USAGE = 2  # also: the flow was cancelled
    NOT_ALLOWED = 4
    UNREACHABLE = 5
    STILL_RUNNING = 8


class Failure(BlocksError):
    """A command cannot continue. ``exit_code`` is what the process ends with."""

    code = "cli:error"

    def __init__(self, message: str, *, cure: str = "", code: str = "", exit_code: Exit = Exit.USAGE) -> None:
        super().__init__(message, code=code, cure=cure)
        self.exit_code = exit_code
