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

from blocks.cli.errors import Exit, Failure

MANIFEST = "manifest.json"
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


def inside(name: str) -> bool:
    """Whether ``name`` is a plain relative path that stays in the folder of a block."""
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
                # A sparse file says how large it is without its bytes: exabytes out of a few hundred.
                if not member.isreg() or member.issparse() or not inside(member.name) or member.name in files:
                    _refuse(f"{member.name[:80]!r} is not a plain file inside the block")
                content = tar.extractfile(member)
                files[member.name] = content.read() if content is not None else b""
    except (OSError, EOFError, zlib.error, tarfile.TarError) as error:
        _refuse(f"it is not a tar.gz ({error})")
    return files


def check(files: dict[str, bytes]) -> dict[str, Any]:
    """The manifest, after every file was held against it: none missing, none besides, every SHA-256 right."""
    try:
        manifest: dict[str, Any] = json.loads(files[MANIFEST])
        named = {path: entry["sha256"] for path, entry in manifest["files"].items()}
        family, name = manifest["family"], manifest["name"]
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        _refuse(f"its manifest cannot be read ({error!r})")
    if not (
        isinstance(family, str)
        and isinstance(name, str)
        and _NAME.fullmatch(family)
        and _NAME.fullmatch(name)
    ):
        _refuse("its manifest names no family and block")
    unsealed = {
        MANIFEST,
        *(path for path in files if path.startswith("attestations/") and path.endswith(".dsse.json")),
    }
    if odd := sorted(set(named) ^ (set(files) - unsealed) - (set(named) & unsealed)):
        _refuse(f"{odd[0]!r} is in the manifest or in the block, but not in both")
    for path, sha256 in named.items():
        if hashlib.sha256(files[path]).hexdigest() != sha256:
            _refuse(f"{path!r} has another SHA-256 than its manifest says")
    return manifest


def place(archive: bytes, blocks: Path) -> Placed:
    """Put a block under ``blocks``/catalog/<family>/<name>/ and its schema under ``blocks``/schemas/."""
    files = read(archive)
    manifest = check(files)
    family, name = manifest["family"], manifest["name"]
    target = blocks / "catalog" / family / name
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        (blocks / "schemas").mkdir(parents=True, exist_ok=True)
        _swap(files, target)
        schema = _write_schema(files.get("contract.json"), blocks / "schemas" / f"{family}.{name}.json")
    except OSError as error:
        raise Failure(
            f"The block cannot be written: {error}",
            cure="Make the folder writable, or name another with --output.",
        ) from error
    return Placed(target, schema, len(files))


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


def _write_schema(contract: bytes | None, path: Path) -> Path | None:
    """The inputs and outputs of a contract as one JSON Schema, for editors and consumers."""
    if contract is None:
        return None
    found = json.loads(contract)
    parts = {}
    for entry in found.get("entrypoints", []):
        parts[f"{entry['call']}.input"], parts[f"{entry['call']}.output"] = entry["input"], entry["output"]
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"{found.get('family')}/{found.get('name')} {found.get('version', '')}".strip(),
        "$defs": parts,
    }
    scratch = path.with_suffix(".tmp")
    scratch.write_text(json.dumps(schema, indent=2) + "\n", encoding="utf-8")
    scratch.replace(path)
    return path
