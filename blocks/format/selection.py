"""Which files of a repo are sent along with a request: within a size, and never what looks like a secret.

The command line selects from a folder, the service from a clone, by the same rule.
"""

from collections import Counter
from collections.abc import Mapping
from pathlib import PurePosixPath

from blocks.format import limits
from blocks.format.paths import is_safe_path
from blocks.format.secret_files import is_secret_file

BLOCKS_FOLDER = ".blocks"
CONFIG = f"{BLOCKS_FOLDER}/config.yml"
UNREADABLE = "that are links, unreadable or unnameable"
_BINARY_ENDINGS = (
    ".dll",
    ".gif",
    ".gz",
    ".ico",
    ".jar",
    ".jpeg",
    ".jpg",
    ".mp4",
    ".pdf",
    ".png",
    ".pyc",
    ".so",
    ".woff",
    ".woff2",
    ".zip",
)


def select_files(lengths: Mapping[str, int | None], reasons: Counter[str]) -> list[str]:
    """The paths that are sent, smallest first until a limit is reached. Counts in ``reasons`` why the
    others are not.

    ``lengths`` maps each path to its size in bytes, or to ``None`` for what is not a plain file.
    """
    candidates = []
    for path, length in lengths.items():
        if _belongs_to_blocks(path):
            continue
        if reason := _find_reason_against(path, length):
            reasons[reason] += 1
        elif length is not None:
            candidates.append((length, path))
    return _take_smallest(candidates, reasons)


def _belongs_to_blocks(path: str) -> bool:
    """Blocks and schemas are our own output. The configuration is sent: it names the packages that blocks
    may use.
    """
    return PurePosixPath(path.lower()).parts[:1] == (BLOCKS_FOLDER,) and path != CONFIG


def _find_reason_against(path: str, length: int | None) -> str:
    """Why a file is not sent; empty if it may be."""
    # The name first: a secret that cannot be read is reported as a secret.
    if is_secret_file(path):
        return "that look like secrets"
    if path.lower().endswith(_BINARY_ENDINGS):
        return "binary"
    if length is None or not is_safe_path(path):
        return UNREADABLE
    if length > limits.MAX_FILE_BYTES:
        return f"over {limits.MAX_FILE_BYTES // limits.KIB} KB"
    return ""


def _take_smallest(candidates: list[tuple[int, str]], reasons: Counter[str]) -> list[str]:
    selected: list[str] = []
    size = 0
    # Smallest first: many small sources tell more about a repo than one large file.
    for length, path in sorted(candidates):
        if len(selected) >= limits.MAX_CONTEXT_FILES:
            reasons[f"beyond {limits.MAX_CONTEXT_FILES:,} files"] += 1
        elif size + length > limits.MAX_CONTEXT_BYTES:
            reasons[f"beyond {limits.MAX_CONTEXT_BYTES // limits.MIB} MB in all"] += 1
        else:
            selected.append(path)
            size += length
    return selected
