"""A block and its evidence as files: as they were sealed, as zip with fixed times."""

import io
import zipfile
from collections.abc import Mapping

from orchestrator.flows.evidence import archive
from orchestrator.flows.models import Artifact, Block, Flow

PROOF = ("manifest.json", "attestations/")
_NO_EVIDENCE = {"bundle", "block", "answer"}  # what the models were shown and said, and the block itself


def block(flow: Flow) -> bytes | None:
    """The tar.gz that was sealed, byte for byte; nothing where no block came of ``flow``."""
    if not Block.objects.filter(flow=flow).exists():
        return None
    sealed = Artifact.objects.filter(flow=flow, kind="block").select_related("blob").latest("id")
    return bytes(sealed.blob.content)


def evidence(flow: Flow) -> dict[str, bytes]:
    """Path to bytes of what the stages of ``flow`` left as evidence, round by round; also where no block came of it."""
    rows = Artifact.objects.filter(flow=flow).select_related("stage", "blob").order_by("id")
    files = {
        f"{row.stage.kind}-{row.stage.round}/{row.name}": bytes(row.blob.content)
        for row in rows
        if row.kind not in _NO_EVIDENCE
    }
    sealed = block(flow)
    return (
        files
        if sealed is None
        else files | {p: c for p, c in archive.unpack(sealed).items() if p.startswith(PROOF)}
    )


def as_zip(files: Mapping[str, bytes]) -> bytes:
    """``files`` as zip."""
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w", zipfile.ZIP_DEFLATED) as packed:
        for path, content in sorted(files.items()):
            packed.writestr(zipfile.ZipInfo(path, (1980, 1, 1, 0, 0, 0)), content)
    return raw.getvalue()
