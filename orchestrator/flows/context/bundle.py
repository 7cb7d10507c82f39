"""Builds the bundle: rank by the words of the request, redact, cut to the byte. The same input gives the same bytes."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import ClassVar

from orchestrator.flows.context.redact import redact

LARGEST_BYTES = 500_000
"""What a bundle may measure when nothing is pruned."""

_WORD = re.compile(r"[a-z][a-z0-9]{2,}")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_SECRET_FILES = frozenset({".env", ".netrc", ".pypirc", ".npmrc", "credentials", "id_rsa", "id_ed25519", "id_ecdsa"})
_SECRET_SUFFIXES = frozenset({".pem", ".key", ".p12", ".pfx", ".jks", ".keystore", ".tfstate"})
_STOP_WORDS = frozenset(
    {"and", "are", "but", "can", "for", "from", "has", "into", "not", "our", "that", "the", "this", "was", "when", "with"}
)


@dataclass(frozen=True, slots=True)
class Bundle:
    """The text that models are shown. ``size`` in bytes of UTF-8; ``included`` paths in order; ``omitted`` files left out."""

    text: str = field(repr=False)
    sha256: str
    size: int
    included: tuple[str, ...]
    omitted: int
    redactions: int


class BundleTooLarge(Exception):
    """The repo does not fit and pruning is switched off."""

    code: ClassVar[str] = "context:bundle-too-large"
    cure: ClassVar[str] = (
        "Enable context pruning:\n  blocks config set context.pruning.enabled true\n  blocks config set context.max_size_kb 180"
    )

    def __init__(self, size: int) -> None:
        super().__init__("Context bundle exceeds 500KB")
        self.size = size


def build(files: Mapping[str, bytes], request: str, *, max_bytes: int, pruning: bool) -> Bundle:
    """The bundle of ``files`` for ``request``: at most ``max_bytes`` with ``pruning``, everything up to 500 KB without.

    Files that are no text, or that exist to hold secrets, are left out; secrets found in the others are replaced. Raises
    ``BundleTooLarge``.
    """
    texts = {path: text for path, content in files.items() if (text := _text(path, content)) is not None}
    if not pruning and (size := sum(len(_section(path, text).encode()) for path, text in texts.items())) > LARGEST_BYTES:
        raise BundleTooLarge(size)
    budget = max_bytes if pruning else LARGEST_BYTES
    words = _words(request)
    parts: list[str] = []
    included: list[str] = []
    room, redactions = budget, 0
    for path in sorted(texts, key=lambda path: (-_relevance(path, texts[path], words), path)):
        # Redaction is what costs time, so only files that still fit in are redacted.
        clean, found = redact(path, texts[path])
        section = _cut(_section(path, clean), room)
        if not section:
            break
        parts.append(section)
        included.append(path)
        room -= len(section.encode())
        redactions += found
    content = "".join(parts)
    encoded = content.encode()
    return Bundle(
        text=content,
        sha256=hashlib.sha256(encoded).hexdigest(),
        size=len(encoded),
        included=tuple(included),
        omitted=len(files) - len(included),
        redactions=redactions,
    )


def _text(path: str, content: bytes) -> str | None:
    """The file as text, or None where it must not or cannot be shown."""
    name = PurePosixPath(path)
    if name.name.lower() in _SECRET_FILES or name.suffix.lower() in _SECRET_SUFFIXES or name.name.startswith(".env."):
        return None
    if b"\0" in content:
        return None
    try:
        return content.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError:
        return None


def _section(path: str, text: str) -> str:
    return f"--- {path if path.isprintable() else ascii(path)}\n{text.rstrip()}\n\n"


def _cut(section: str, room: int) -> str:
    """``section`` within ``room`` bytes, cut between characters; empty when not even a few lines of it fit."""
    encoded = section.encode()
    if len(encoded) <= room:
        return section
    heading = section.index("\n") + 1
    return encoded[:room].decode(errors="ignore") if room > heading + 80 else ""


def _words(text: str) -> frozenset[str]:
    spaced = _CAMEL.sub(" ", text).lower()
    return frozenset(_WORD.findall(spaced)) - _STOP_WORDS


def _relevance(path: str, text: str, words: frozenset[str]) -> float:
    """Shared words with the request, those in the path thrice; long files pay for their length, gently."""
    shared = 3 * len(words & _words(path)) + len(words & _words(text))
    return shared / (1 + len(text) / 20_000)
