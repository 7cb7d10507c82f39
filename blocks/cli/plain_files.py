"""Writing into a repo that somebody else may have prepared: never through a link, never half of a file."""

import os
import tempfile
from pathlib import Path

from blocks.cli.errors import Failure


def refuse_links(root: Path, path: Path) -> None:
    """Raise ``Failure`` where ``path`` or a folder between it and ``root`` is a link.

    A checkout can hold links, and what is written through one lands wherever it leads.
    """
    below = path.relative_to(root)
    place = root
    for part in ("", *below.parts):
        place = place / part
        if place.is_symlink():
            raise Failure(
                f"{place} is a link; nothing is written through it.",
                cure="Look where it leads, then replace it with a plain folder or file.",
                code="cli:link-refused",
            )


def write_file(root: Path, path: Path, content: bytes, *, mode: int = 0o644) -> None:
    """Put ``content`` at ``path`` below ``root``, whole or not at all; folders are made.

    Raises ``Failure`` for a link on the way, ``OSError`` where it cannot be written.
    """
    refuse_links(root, path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # A name that nobody can guess and put a link under.
    descriptor, scratch = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        os.chmod(scratch, mode)
        os.replace(scratch, path)
    except BaseException:
        os.unlink(scratch)
        raise
