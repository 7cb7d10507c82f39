"""The one base of the errors that ``blocks`` shows to people."""


class BlocksError(Exception):
    """Something that ``blocks`` cannot do.

    The message and ``cure`` are for people; ``code`` is stable, and scripts rely on it. ``cure`` is empty
    where nobody can do anything about it.
    """

    code: str = "blocks:error"
    cure: str = ""

    def __init__(self, message: str, *, code: str = "", cure: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.code
        self.cure = cure or self.cure


class FormatError(BlocksError):
    """What was read is not in the format of blocks.

    The message starts with a verb or with "it" ("it is over 64 MB"): the code that catches the
    error knows the file and names it.
    """

    code = "evidence:unreadable"
    cure = "Fetch it again. If it stays, tell the operators: somebody may have changed it."
