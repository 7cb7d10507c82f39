"""Notes kept in files of a folder of their own."""

import json
import tempfile
from pathlib import Path


def save(folder: Path, title: str, lines: list[str]) -> Path:
    """Write one note; an older one of the same title is kept beside it."""
    target = folder / f"{title}.json"
    if target.exists():
        target.rename(folder / f"{title}.old.json")
    target.write_text(json.dumps({"title": title, "lines": lines}), encoding="utf-8")
    return target


def load(path: Path) -> list[str]:
    """Lines of a note. Raises ``FileNotFoundError``."""
    with open(path, encoding="utf-8") as note:
        return list(json.load(note)["lines"])


def round_trip(title: str, lines: list[str]) -> list[str]:
    """Save and load in a folder that is gone afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        return load(save(Path(folder), title, lines))
