"""Builds the bundle: rank by the request, redact, cut to the byte. The same input gives the same bytes."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from blocks.format.secret_files import is_secret_file
from orchestrator.flows.context.packing import Packed, format_part, pack_everything, pack_files
from orchestrator.flows.context.relevance import rank_files

LARGEST_BYTES = 500_000
"""What a bundle may measure when nothing is pruned."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """The text that models are shown. ``size`` in bytes of UTF-8; ``included`` paths in order, those of ``outlined`` by their
    signatures or beginning only; ``omitted`` files left out."""

    text: str = field(repr=False)
    sha256: str
    size: int
    included: tuple[str, ...]
    omitted: int
    redactions: int
    outlined: tuple[str, ...] = ()


class BundleTooLarge(Exception):
    """The repo does not fit and pruning is switched off."""

    code: ClassVar[str] = "context:bundle-too-large"
    cure: ClassVar[str] = (
        "Enable context pruning:\n  blocks config set context.pruning.enabled true\n  blocks config set context.max_size_kb 180"
    )

    def __init__(self, size: int) -> None:
        super().__init__("Context bundle exceeds 500KB")
        self.size = size


def build_bundle(files: Mapping[str, bytes], request: str, *, max_bytes: int, pruning: bool) -> Bundle:
    """The bundle of ``files`` for ``request``: at most ``max_bytes`` with ``pruning``, everything up to 500 KB without.

    Files that are no text, or that exist to hold secrets, are left out; secrets found in the others are replaced. Raises
    ``BundleTooLarge``.
    """
    texts = {path: text for path, content in files.items() if (text := read_text(path, content)) is not None}

    if (
        not pruning
        and (size := sum(len(format_part(path, text).encode()) for path, text in texts.items()))
        > LARGEST_BYTES
    ):
        raise BundleTooLarge(size)
    order = rank_files(texts, request)
    packed = pack_files(order, texts, max_bytes) if pruning else pack_everything(order, texts)
    if not pruning and (size := len(packed.text.encode())) > LARGEST_BYTES:
        # Marks may be longer than what they stand for.
        raise BundleTooLarge(size)
    return _bundle(packed, len(files))


def _bundle(packed: Packed, files: int) -> Bundle:
    encoded = packed.text.encode()
    return Bundle(
        text=packed.text,
        sha256=hashlib.sha256(encoded).hexdigest(),
        size=len(encoded),
        included=packed.paths,
        omitted=files - len(packed.paths),
        redactions=packed.redactions,
        outlined=(*packed.outlined, *packed.cut),
    )


def read_text(path: str, content: bytes) -> str | None:
    """The file as text with plain line ends, or None where it must not or cannot be shown."""
    if is_secret_file(path) or b"\0" in content:
        return None
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None
    return text.replace("\r\n", "\n").replace("\r", "\n")
