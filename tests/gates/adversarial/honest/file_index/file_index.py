"""Finds duplicate files in a folder."""

import hashlib
from collections import defaultdict
from pathlib import Path

_CHUNK = 65536


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def find_duplicates(folder: Path) -> list[list[str]]:
    """Groups of files with the same content, by their path below ``folder``."""
    if not folder.is_dir():
        raise NotADirectoryError(f"{folder.name} is not a folder")
    by_size: dict[int, list[Path]] = defaultdict(list)
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            by_size[path.stat().st_size].append(path)
    groups = []
    for paths in by_size.values():
        by_digest: dict[str, list[str]] = defaultdict(list)
        for path in paths:
            by_digest[_digest(path)].append(path.relative_to(folder).as_posix())
        groups += [names for names in by_digest.values() if len(names) > 1]
    return sorted(groups)
