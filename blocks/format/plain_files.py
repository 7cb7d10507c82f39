"""Files of a checkout, which somebody else may have prepared: a pipe would block its reader, a device has no
end.
"""

import os
import stat
from pathlib import Path

from blocks.format.limits import KIB


def read_plain_file(path: Path, most: int) -> bytes:
    """The bytes of a plain file, at most ``most``. Raises ``OSError`` for anything else, with why."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(0, "it is not a plain file", str(path))
        return _read_bounded(file.read(most + 1), most, path)


def read_given_file(path: Path, most: int) -> bytes:
    """The bytes of a file that its user has named, at most ``most``; a pipe, too. Raises ``OSError``."""
    with path.open("rb") as file:
        return _read_bounded(file.read(most + 1), most, path)


def _read_bounded(content: bytes, most: int, path: Path) -> bytes:
    if len(content) > most:
        raise OSError(0, f"it is over {most // KIB} KB", str(path))
    return content
