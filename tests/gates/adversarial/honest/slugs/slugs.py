"""Text for addresses."""

import re
import unicodedata

_BREAK = re.compile(r"[^a-z0-9]+")


def slug(title: str, limit: int = 40) -> str:
    """Lower-case words joined by dashes, whole words only, at most ``limit`` characters."""
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    words = [word for word in _BREAK.split(plain) if word]
    kept = ""
    for word in words:
        longer = f"{kept}-{word}" if kept else word
        if len(longer) > limit:
            break
        kept = longer
    return kept or "untitled"[:limit]


def initials(name: str) -> str:
    """First letters, upper-case."""
    return "".join(part[0].upper() for part in name.split())
