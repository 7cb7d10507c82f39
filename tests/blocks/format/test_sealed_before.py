"""Blocks that earlier versions sealed still verify, and are still written to the same bytes.

``first`` was sealed by the first version that sealed at all; its manifest has neither snapshot nor
dependencies. ``with_commit`` was sealed by the version before the format got a package of its own.
"""

import json
from pathlib import Path

import pytest

from blocks.format import archive
from blocks.format.canonical import sha256
from blocks.format.envelope import open_envelope
from blocks.format.keys import Keys, read_public_key
from blocks.format.manifest import MANIFEST, read_manifest, write_manifest
from blocks.format.statements import FOLDER, SUFFIX, read_statement, write_statement
from blocks.format.verification import verify_block
from orchestrator.flows.evidence.manifest import build_manifest
from tests.flows.evidence.subjects import SUBJECT

SEALED = Path(__file__).parents[1] / "sealed_before"


def load(name: str) -> tuple[dict[str, bytes], Keys]:
    """The files of a stored block, and the key that signed it."""
    files = archive.unpack((SEALED / f"{name}.tar.gz").read_bytes())
    return files, dict([read_public_key((SEALED / f"{name}.pem").read_bytes())])


@pytest.mark.parametrize("name", ["first", "with_commit"])
def test_a_block_sealed_before_still_verifies(name: str) -> None:
    files, keys = load(name)
    report = verify_block(files, keys)
    assert report.problems == []
    assert report.ok
    assert (report.block, report.repo, report.flow) == ("compliance/ratio", "compliance-service", "task_1")
    assert (report.sequence, report.gates) == (1, {"coverage": "PASSED", "review": "PASSED"})


@pytest.mark.parametrize("name", ["first", "with_commit"])
def test_every_byte_of_it_is_still_covered(name: str) -> None:
    files, keys = load(name)
    for path, content in files.items():
        changed = content[:-1] + b"?" if content else b"?"
        assert {problem.path for problem in verify_block(files | {path: changed}, keys).problems} == {path}


@pytest.mark.parametrize("name", ["first", "with_commit"])
def test_it_is_packed_to_the_same_bytes(name: str) -> None:
    packed = (SEALED / f"{name}.tar.gz").read_bytes()
    assert archive.pack(archive.unpack(packed)) == packed


def test_the_manifest_is_written_to_the_same_bytes() -> None:
    files, _ = load("with_commit")
    assert write_manifest(read_manifest(files[MANIFEST])) == files[MANIFEST]
    assert build_manifest(SUBJECT) == files[MANIFEST]


def test_statements_are_written_to_the_same_bytes() -> None:
    files, keys = load("with_commit")
    for path in (path for path in files if path.startswith(FOLDER)):
        name = path.removeprefix(FOLDER).removesuffix(SUFFIX)
        payload = open_envelope(files[path], keys).payload
        assert write_statement(name, read_statement(name, payload)) == payload


def test_what_was_not_recorded_yet_is_not_made_up() -> None:
    files, _ = load("first")
    manifest = read_manifest(files[MANIFEST])
    assert "snapshot" not in json.loads(files[MANIFEST])
    assert (manifest.snapshot_sha256, manifest.dependencies_sha256, manifest.origin) == (None, None, "")
    assert manifest.files["ratio.py"].sha256 == sha256(files["ratio.py"])
