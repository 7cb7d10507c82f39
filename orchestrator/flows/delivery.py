"""A block and its evidence as files: as JSON, zip or tar.gz, with fixed times so that the same block gives the same bytes."""

import base64
import gzip
import io
import json
import tarfile
import zipfile
from collections.abc import Mapping
from typing import Any

from orchestrator.flows.models import Artifact, Blob, Block, Flow

MANIFEST = "manifest.json"


def block(flow: Flow) -> dict[str, bytes] | None:
    """Path to bytes of the block that ``flow`` yielded, its evidence and manifest included; nothing where there is none.

    The manifest names every file by its SHA-256, and blobs are stored under theirs: what is delivered is what was sealed.
    """
    found = Block.objects.filter(flow=flow).select_related("manifest").first()
    if found is None:
        return None
    manifest = bytes(found.manifest.content)
    named = {path: entry["sha256"] for path, entry in json.loads(manifest)["files"].items()}
    blobs = {blob.sha256: bytes(blob.content) for blob in Blob.objects.filter(pk__in=named.values())}
    return {path: blobs[sha256] for path, sha256 in named.items()} | {MANIFEST: manifest}


def evidence(flow: Flow) -> dict[str, bytes]:
    """Path to bytes of what the stages of ``flow`` left as evidence, round by round; also where no block came of it."""
    rows = Artifact.objects.filter(flow=flow).select_related("stage", "blob").order_by("id")
    files = {f"{row.stage.kind}-{row.stage.round}/{row.name}": bytes(row.blob.content) for row in rows if row.kind != "context"}
    found = Block.objects.filter(flow=flow).select_related("manifest").first()
    return files if found is None else files | {MANIFEST: bytes(found.manifest.content)}


def as_tar(files: Mapping[str, bytes]) -> bytes:
    """``files`` as tar.gz."""
    raw = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=raw, mode="wb", mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as tar,
    ):
        for path, content in sorted(files.items()):
            info = tarfile.TarInfo(path)
            info.size, info.mode = len(content), 0o644
            tar.addfile(info, io.BytesIO(content))
    return raw.getvalue()


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
