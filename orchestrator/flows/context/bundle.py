"""Builds the context bundle: rank by the request, redact, cut to the byte.

The same input gives the same bytes, so that a stage that runs again asks the models the same.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from blocks.format.secret_files import is_secret_file
from orchestrator.core.errors import FixedBy, OrchestratorError
from orchestrator.flows.context.file_names import leave_out_secret_names
from orchestrator.flows.context.packing import Packed, format_part, pack_everything, pack_files
from orchestrator.flows.context.ranking import rank_files

LARGEST_BYTES = 500_000
"""The most bytes of a bundle when nothing is pruned."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """The text that the models see. ``size`` is in bytes of UTF-8.

    ``included`` lists the paths in the order of the text. Those in ``outlined`` are shown only by their
    signatures or their beginning. ``omitted`` counts the files that were left out. Those in ``unjudged`` are
    among them, because they could not be searched for secrets in their time.
    """

    text: str = field(repr=False)
    sha256: str
    size: int
    included: tuple[str, ...]
    omitted: int
    redactions: int
    outlined: tuple[str, ...] = ()
    unjudged: tuple[str, ...] = ()


class BundleTooLarge(OrchestratorError):
    """The repo does not fit, and pruning is switched off."""

    code = "context:bundle-too-large"
    cure = (
        "Enable context pruning:\n  blocks config set context.pruning.enabled true\n"
        "  blocks config set context.max_size_kb 180"
    )
    fixed_by = FixedBy.REPO_OWNER

    def __init__(self, size: int) -> None:
        # The runbook promises these words.
        super().__init__("Context bundle exceeds 500KB")
        self.size = size


def build_bundle(
    files: Mapping[str, bytes],
    request: str,
    *,
    max_bytes: int,
    pruning: bool,
    begin_file: Callable[[str], None] = lambda _: None,
) -> Bundle:
    """The bundle of ``files`` for ``request``, of at most ``max_bytes``.

    Without ``pruning`` it holds everything, up to 500 KB; more raises ``BundleTooLarge``. Files that are not
    text, that exist to hold secrets, or whose names hold one are left out. Secrets found in the others are
    replaced. ``begin_file`` is told the path before a file is parsed or searched for secrets.
    """
    texts = _read_texts(leave_out_secret_names(files))
    if pruning:
        packed = pack_files(rank_files(texts, request), texts, max_bytes, begin_file)
    else:
        packed = _pack_unpruned(texts, request, begin_file)
    encoded = packed.text.encode()
    return Bundle(
        text=packed.text,
        sha256=hashlib.sha256(encoded).hexdigest(),
        size=len(encoded),
        included=packed.paths,
        omitted=len(files) - len(packed.paths),
        redactions=packed.redactions,
        outlined=(*packed.outlined, *packed.cut),
    )


def read_text(path: str, content: bytes) -> str | None:
    """The file as text with Unix line ends, or ``None`` where it must not or cannot be shown."""
    # Git, too, takes a NUL as the mark of a binary file.
    if is_secret_file(path) or b"\0" in content:
        return None
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _read_texts(files: Mapping[str, bytes]) -> dict[str, str]:
    texts = {}
    for path, content in files.items():
        text = read_text(path, content)
        if text is not None:
            texts[path] = text
    return texts


def _pack_unpruned(texts: Mapping[str, str], request: str, begin_file: Callable[[str], None]) -> Packed:
    # Checked before redaction, which takes most of the time, and again after it, because a mark may be longer
    # than the secret that it replaces.
    _check_size(sum(len(format_part(path, text).encode()) for path, text in texts.items()))
    packed = pack_everything(rank_files(texts, request), texts, begin_file)
    _check_size(len(packed.text.encode()))
    return packed


def _check_size(size: int) -> None:
    if size > LARGEST_BYTES:
        raise BundleTooLarge(size)
