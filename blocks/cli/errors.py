"""How a command ends: exit codes, and a failure that names its cure."""

from enum import IntEnum


class Exit(IntEnum):
    """What scripts rely on."""

    DONE = 0
    FAILED = 1
    USAGE = 2  # also: the flow was cancelled
    NOT_ALLOWED = 4
    UNREACHABLE = 5
    STILL_RUNNING = 8


class Failure(Exception):
    """A command cannot go on. The message and the cure are for people, ``code`` and ``exit`` for scripts."""

    def __init__(
        self, message: str, *, cure: str = "", code: str = "cli:error", exit_code: Exit = Exit.USAGE
    ) -> None:
        super().__init__(message)
        self.message, self.cure, self.code, self.exit_code = message, cure, code, exit_code
