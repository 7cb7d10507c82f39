"""A block and its evidence as files: as they were sealed, and as zip with fixed times."""

import io
import zipfile
from collections.abc import Mapping

from blocks.format import archive
from blocks.format.manifest import MANIFEST
from blocks.format.statements import FOLDER
from orchestrator.flows.models import Artifact, Block, Flow

# What the models were shown and said, and the block itself.
_NOT_EVIDENCE = frozenset({"bundle", "block", "answer"})
_ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time that a zip can hold


def sealed_block(flow: Flow) -> bytes | None:
    """The tar.gz that was sealed, byte for byte; ``None`` where ``flow`` has no block."""
    if not Block.objects.filter(flow=flow).exists():
        return None
    # A seal that was run again after a crash leaves several artifacts: the newest one is the block's.
    sealed = Artifact.objects.filter(flow=flow, kind="block").select_related("blob").latest("id")
    return bytes(sealed.blob.content)


def collect_evidence(flow: Flow) -> dict[str, bytes]:
    """Path to bytes of the evidence that the stages of ``flow`` left, round by round; also where it has
    no block.
    """
    rows = Artifact.objects.filter(flow=flow).select_related("stage", "blob").order_by("id")
    files = {
        f"{row.stage.kind}-{row.stage.round}/{row.name}": bytes(row.blob.content)
        for row in rows
        if row.kind not in _NOT_EVIDENCE
    }
    sealed = sealed_block(flow)
    if sealed is not None:
        for path, content in archive.unpack(sealed).items():
            if path == MANIFEST or path.startswith(FOLDER):
                files[path] = content
    return files


def pack_zip(files: Mapping[str, bytes]) -> bytes:
    """``files`` as zip."""
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w", zipfile.ZIP_DEFLATED) as packed:
        # Sorted and with a fixed time, so that two downloads of the same evidence are equal.
        for path, content in sorted(files.items()):
            packed.writestr(zipfile.ZipInfo(path, _ZIP_EPOCH), content)
    return raw.getvalue()
