"""A block from the service onto disk: checked against its manifest first, then put in place whole, or not
at all.
"""

import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from blocks.cli.errors import Exit, Failure
from blocks.cli.plain_files import refuse_links, write_file
from blocks.format import archive
from blocks.format.canonical import sha256
from blocks.format.errors import FormatError
from blocks.format.manifest import MANIFEST, Manifest, read_manifest
from blocks.format.statements import FOLDER, SUFFIX


@dataclass(frozen=True, slots=True)
class PlacedBlock:
    """Where a block was put: its folder, its schema (if it has a contract), how many files were checked."""

    folder: Path
    schema: Path | None
    files: int


def unpack_block(packed: bytes) -> dict[str, bytes]:
    """Path to bytes of a block that the service sent; raises ``Failure`` where it is not one."""
    try:
        return archive.unpack(packed)
    except FormatError as error:
        raise _untrusted(error.message) from error


def check_files(files: Mapping[str, bytes]) -> Manifest:
    """The manifest, after every file was compared with it: none missing, none added, every SHA-256 right."""
    # Checked here too, so that this function alone never writes a block that is not whole.
    if MANIFEST not in files:
        raise _untrusted("it has no manifest")
    try:
        manifest = read_manifest(files[MANIFEST])
    except FormatError as error:
        raise _untrusted(f"its manifest cannot be read: {error.message}") from error
    # The manifest names what the statements are about, so it can name neither itself nor them.
    covered = {path for path in files if path != MANIFEST and not _is_statement(path)}
    if odd := sorted(covered ^ manifest.files.keys()):
        raise _untrusted(f"{odd[0]!r} is in the manifest or in the block, but not in both")
    for path, fact in manifest.files.items():
        if sha256(files[path]) != fact.sha256:
            raise _untrusted(f"{path!r} has another SHA-256 than its manifest says")
    return manifest


def place_block(packed: bytes, blocks_folder: Path) -> PlacedBlock:
    """Put a block under ``catalog/<family>/<name>/`` of ``blocks_folder``, and its schema under ``schemas/``.

    Raises ``Failure`` for a block that is not what its manifest says, and where the folder cannot be written.
    """
    files = unpack_block(packed)
    manifest = check_files(files)
    target = blocks_folder / "catalog" / manifest.family / manifest.name
    schema = blocks_folder / "schemas" / f"{manifest.family}.{manifest.name}.json"
    contract = files.get("contract.json")
    for place in (target, schema):
        refuse_links(blocks_folder, place)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        schema.parent.mkdir(parents=True, exist_ok=True)
        _replace_folder(files, target)
        if contract is not None:
            write_file(blocks_folder, schema, _build_schema(contract))
    except OSError as error:
        raise Failure(
            f"The block cannot be written: {error}",
            cure="Make the folder writable, or name another with --output.",
        ) from error
    return PlacedBlock(target, schema if contract is not None else None, len(files))


def _is_statement(path: str) -> bool:
    return path.startswith(FOLDER) and path.endswith(SUFFIX)


def _untrusted(why: str) -> Failure:
    return Failure(
        f"The block that the service sent is not to be trusted: {why}. Nothing was written.",
        cure="Run it again; if it stays, tell the operators: the evidence does not match the block.",
        code="block:untrusted",
        exit_code=Exit.FAILED,
    )


def _replace_folder(files: Mapping[str, bytes], target: Path) -> None:
    """Put ``files`` in the place of the folder ``target``."""
    # The scratch folder is beside the target, so that both renames stay on one file system and are atomic.
    with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as scratch:
        new, old = Path(scratch) / "new", Path(scratch) / "old"
        for path, content in files.items():
            file = new / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        # The new folder is complete before the old one is touched, and the old one comes back if the new
        # one cannot take its place.
        if target.exists():
            target.rename(old)
        try:
            new.rename(target)
        except OSError:
            if old.exists():
                old.rename(target)
            raise
        shutil.rmtree(old, ignore_errors=True)


def _build_schema(contract: bytes) -> bytes:
    """The inputs and outputs of a contract as one JSON Schema, for editors and consumers."""
    found = json.loads(contract)
    definitions = {}
    for entry in found.get("entrypoints", []):
        definitions[f"{entry['call']}.input"] = entry["input"]
        definitions[f"{entry['call']}.output"] = entry["output"]
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"{found.get('family')}/{found.get('name')} {found.get('version', '')}".strip(),
        "$defs": definitions,
    }
    return json.dumps(schema, indent=2).encode() + b"\n"
