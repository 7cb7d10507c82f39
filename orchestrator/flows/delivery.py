"""A block and its evidence as files: as JSON or zip, with fixed times so that the same evidence gives the same bytes."""

import base64
import io
import zipfile
from collections.abc import Mapping
from typing import Any

from orchestrator.flows.models import Artifact, Block, Flow

MANIFEST = "manifest.json"


def block(flow: Flow) -> bytes | None:
    """The block that ``flow`` yielded as tar.gz, byte for byte as it was sealed; nothing where there is none."""
    if not Block.objects.filter(flow=flow).exists():
        return None
    sealed = Artifact.objects.filter(flow=flow, kind="block").select_related("blob").order_by("-id").first()
    return bytes(sealed.blob.content) if sealed else None


def evidence(flow: Flow) -> dict[str, bytes]:
    """Path to bytes of what the stages of ``flow`` left as evidence, round by round; also where no block came of it."""
    rows = Artifact.objects.filter(flow=flow).select_related("stage", "blob").order_by("id")
    files = {f"{row.stage.kind}-{row.stage.round}/{row.name}": bytes(row.blob.content) for row in rows if row.kind != "context"}
    found = Block.objects.filter(flow=flow).select_related("manifest").first()
    return files if found is None else files | {MANIFEST: bytes(found.manifest.content)}


def as_zip(files: Mapping[str, bytes]) -> bytes:
    """``files`` as zip."""
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in sorted(files.items()):
            archive.writestr(zipfile.ZipInfo(path, (1980, 1, 1, 0, 0, 0)), content)
    return raw.getvalue()


def as_json(files: Mapping[str, bytes]) -> dict[str, Any]:
    """``files`` as texts, or as ``{"base64": ...}`` where they are none."""
    shown: dict[str, Any] = {}
    for path, content in sorted(files.items()):
        try:
            shown[path] = content.decode()
        except UnicodeDecodeError:
            shown[path] = {"base64": base64.b64encode(content).decode()}
    return shown
