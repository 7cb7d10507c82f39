"""A block from the service onto disk: checked against its manifest first, then put in place whole, or not at all."""

import gzip
import hashlib
import io
import json
import re
import shutil
import tarfile
import tempfile
import zlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, NoReturn

from orchestrator.cli.errors import Exit, Failure

_MANIFEST = re.compile(r"\.blocks/catalog/([^/]+)/([^/]+)/manifest\.json")
MAX_BLOCK_BYTES = 64 * 1024 * 1024
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}")


@dataclass(frozen=True, slots=True)
class Placed:
    """Where a block was put: its folder, its schema (if its contract has one), how many files were checked."""

    folder: Path
    schema: Path | None
    files: int


def _refuse(why: str) -> NoReturn:
    raise Failure(
        f"The block that the service sent is not to be trusted: {why}. Nothing was written.",
        cure="Run it again; if it stays, tell the operators: the evidence does not match the block.",
        code="block:untrusted",
        exit_code=Exit.FAILED,
    )


def _safe(name: str) -> bool:
    path = PurePosixPath(name)
    return (
        bool(name)
        and not path.is_absolute()
        and "\\" not in name
        and "\0" not in name
        and ".." not in path.parts
        and str(path) == name
    )


def read(archive: bytes) -> dict[str, bytes]:
    """Path to bytes of a tar.gz: plain files only, inside the folder only, of a bounded size."""
    files: dict[str, bytes] = {}
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(archive)) as packed:
            raw = packed.read(MAX_BLOCK_BYTES + 1)
        if len(raw) > MAX_BLOCK_BYTES:
            _refuse(f"it unpacks to over {MAX_BLOCK_BYTES // 1024 // 1024} MB")
        with tarfile.open(fileobj=io.BytesIO(raw), mode="r:") as tar:
            for member in tar:
                if member.isdir():
                    continue
                if not member.isreg() or not _safe(member.name) or member.name in files:
                    _refuse(f"{member.name[:80]!r} is not a plain file inside the block")
                content = tar.extractfile(member)
                files[member.name] = content.read() if content is not None else b""
    except (OSError, EOFError, zlib.error, tarfile.TarError) as error:
        _refuse(f"it is not a tar.gz ({error})")
    return files


def check(files: dict[str, bytes]) -> tuple[str, str]:
    """Family and name, after every file was held against the manifest: none missing, none besides, every SHA-256 right.

    Files lie where they belong in a repo: ``.blocks/catalog/<family>/<name>/...`` and ``.blocks/schemas/<family>/<name>.json``.
    """
    manifests = [match for match in map(_MANIFEST.fullmatch, files) if match]
    if len(manifests) != 1:
        _refuse("it has no manifest, or several")
    path, family, name = manifests[0][0], manifests[0][1], manifests[0][2]
    if not (_NAME.fullmatch(family) and _NAME.fullmatch(name)):
        _refuse("its manifest names no family and block")
    try:
        manifest: dict[str, Any] = json.loads(files[path])
        named = {str(file): entry["sha256"] for file, entry in manifest["files"].items()}
        if (manifest["family"], manifest["name"]) != (family, name):
            _refuse("its manifest is of another block")
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        _refuse(f"its manifest cannot be read ({error!r})")
    if odd := sorted(set(named) ^ (set(files) - {path})):
        _refuse(f"{odd[0]!r} is in the manifest or in the block, but not in both")
    folder, schema = f".blocks/catalog/{family}/{name}/", f".blocks/schemas/{family}/{name}.json"
    for file, sha256 in named.items():
        if not file.startswith(folder) and file != schema:
            _refuse(f"{file!r} lies outside of the block")
        if hashlib.sha256(files[file]).hexdigest() != sha256:
            _refuse(f"{file!r} has another SHA-256 than its manifest says")
    return family, name


def place(archive: bytes, blocks: Path) -> Placed:
    """Put a block under ``blocks``/catalog/<family>/<name>/ and its schema under ``blocks``/schemas/<family>/."""
    files = read(archive)
    family, name = check(files)
    target, inside = blocks / "catalog" / family / name, f".blocks/catalog/{family}/{name}/"
    schema, text = blocks / "schemas" / family / f"{name}.json", files.get(f".blocks/schemas/{family}/{name}.json")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        schema.parent.mkdir(parents=True, exist_ok=True)
        _swap({file.removeprefix(inside): content for file, content in files.items() if file.startswith(inside)}, target)
        if text is not None:
            scratch = schema.with_suffix(".tmp")
            scratch.write_bytes(text)
            scratch.replace(schema)
    except OSError as error:
        raise Failure(
            f"The block cannot be written: {error}", cure="Make the folder writable, or name another with --output."
        ) from error
    return Placed(target, schema if text is not None else None, len(files))


def _swap(files: dict[str, bytes], target: Path) -> None:
    """The new folder is complete beside the old one before either is touched; an old version goes last."""
    with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as scratch:
        new, old = Path(scratch) / "new", Path(scratch) / "old"
        for path, content in files.items():
            file = new / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        if target.exists():
            target.rename(old)
        try:
            new.rename(target)
        except OSError:
            if old.exists():
                old.rename(target)
            raise
        shutil.rmtree(old, ignore_errors=True)
