"""A sealed block on the user's disk: a folder, or a tar.gz."""

from pathlib import Path

from blocks.cli.errors import Exit, Failure
from blocks.format import archive
from blocks.format.archive import Archive
from blocks.format.errors import FormatError
from blocks.format.limits import MAX_BLOCK_BYTES, MIB


def read_block(path: Path) -> Archive:
    """The files of the block at ``path``, and the damage of its archive; raises ``Failure`` where there
    is no block.
    """
    try:
        if path.is_dir():
            return Archive(_read_folder(path), damage="")
        with path.open("rb") as file:
            # One byte more than allowed, so that a file of any size is refused without reading all of it.
            return archive.read(file.read(MAX_BLOCK_BYTES + 1))
    except OSError as error:
        raise _unreadable(path, error.strerror or "it cannot be read") from error
    except FormatError as error:
        raise _unreadable(path, error.message) from error


def _read_folder(root: Path) -> dict[str, bytes]:
    files, size = {}, 0
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        # A link could lead to a file that is changed later, and opening a pipe would block.
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise FormatError(f"{name!r} in it is a link or not a plain file")
        if path.is_dir():
            continue
        size += path.stat().st_size
        # Checked before the file is read, so that naming a large folder by mistake fills no memory.
        if size > MAX_BLOCK_BYTES:
            raise FormatError(f"it is over {MAX_BLOCK_BYTES // MIB} MB")
        files[name] = path.read_bytes()
    return files


def _unreadable(path: Path, why: str) -> Failure:
    return Failure(
        f"{path} is not a sealed block: {why}.",
        cure="Name the folder of a block, .blocks/catalog/<family>/<name>, or its tar.gz; "
        "fetch it again if it was changed.",
        code="evidence:unreadable",
        exit_code=Exit.FAILED,
    )
