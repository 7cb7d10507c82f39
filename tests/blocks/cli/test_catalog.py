"""Blocks onto disk: only what the manifest names, only inside the folder, whole or not at all."""

import gzip
import hashlib
import io
import json
import tarfile
from pathlib import Path

import pytest

from blocks.cli import catalog
from blocks.cli.errors import Failure
from blocks.format import archive

FACTS = {
    "manifest": 1,
    "flow": "task_1",
    "repo": "r",
    "family": "f",
    "name": "ratio",
    "summary": "A ratio.",
    "verified": True,
    "quality_score": "97.50",
    "sealed_at": "2026-01-02T00:00:00Z",
    "gates": [],
    "calls": [],
    "prompts": {},
    "policy": {},
    "context_sha256": "",
    "feature_request_sha256": "",
}
FILES = {
    "ratio.py": b"x = 1\n",
    "contract.json": b'{"family": "f", "name": "ratio", "entrypoints": []}',
    "evidence/a.json": b"{}",
}


def sealed(files: dict[str, bytes], /, **manifest) -> dict[str, bytes]:
    """``files`` with a manifest of them; members of the manifest may be overridden."""
    named = {
        path: {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
        for path, content in files.items()
    }
    return files | {"manifest.json": json.dumps(FACTS | {"files": named} | manifest).encode()}


def tarred(files: dict[str, bytes], /, **odd: str) -> bytes:
    """An archive of ``files`` with odd members: name to the type of a tar entry."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for path, content in sorted(files.items()):
            info = tarfile.TarInfo(path)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
        for path, kind in odd.items():
            info = tarfile.TarInfo(path)
            info.type, info.linkname = kind.encode(), "/etc/passwd"
            tar.addfile(info)
    return archive.wrap_gzip(raw.getvalue())


def everything(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_a_good_block_is_placed_whole(tmp_path):
    placed = catalog.place_block(tarred(sealed(FILES)), tmp_path)
    assert placed.folder == tmp_path / "catalog/f/ratio"
    assert everything(placed.folder) == sealed(FILES)
    assert json.loads((tmp_path / "schemas/f.ratio.json").read_text())["title"] == "f/ratio"


def test_a_new_version_replaces_the_old_one_and_leaves_nothing(tmp_path):
    catalog.place_block(tarred(sealed(FILES | {"old.py": b""})), tmp_path)
    catalog.place_block(tarred(sealed(FILES)), tmp_path)
    assert everything(tmp_path / "catalog/f") == {
        f"ratio/{path}": content for path, content in sealed(FILES).items()
    }


@pytest.mark.parametrize(
    "packed",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\x1f\x8b\x08 no gzip", id="no gzip"),
        pytest.param(tarred(FILES), id="no manifest"),
        pytest.param(tarred(sealed(FILES) | {"ratio.py": b"x = 2\n"}), id="changed"),
        pytest.param(tarred({k: v for k, v in sealed(FILES).items() if k != "ratio.py"}), id="missing"),
        pytest.param(tarred(sealed(FILES) | {"extra.py": b""}), id="besides"),
        pytest.param(tarred(sealed(FILES | {"../up.py": b""})), id="upwards"),
        pytest.param(tarred(sealed(FILES | {"/abs.py": b""})), id="absolute"),
        pytest.param(tarred(sealed(FILES | {"a/../../b.py": b""})), id="upwards inside"),
        pytest.param(tarred(sealed(FILES), link="2"), id="symlink"),
        pytest.param(tarred(sealed(FILES), hard="1"), id="hard link"),
        pytest.param(tarred(sealed(FILES), pipe="6"), id="fifo"),
        pytest.param(tarred(sealed(FILES, family="../..")), id="family upwards"),
        pytest.param(tarred(sealed(FILES, name="")), id="no name"),
        pytest.param(tarred(sealed(FILES, files=[])), id="manifest of another shape"),
        pytest.param(tarred(sealed(FILES))[:-20], id="cut off"),
        pytest.param(gzip.compress(gzip.decompress(tarred(sealed(FILES)))), id="compressed"),
        pytest.param(tarred(sealed(FILES)) + b"ab", id="lengthened"),
    ],
)
def test_an_untrusted_block_writes_nothing(tmp_path, packed):
    catalog.place_block(tarred(sealed(FILES)), tmp_path)
    before = everything(tmp_path)
    with pytest.raises(Failure) as failure:
        catalog.place_block(packed, tmp_path)
    assert failure.value.code == "block:untrusted"
    assert everything(tmp_path) == before


def test_a_bomb_is_not_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "MAX_BLOCK_BYTES", 1000)
    with pytest.raises(Failure, match="it is over"):
        catalog.place_block(tarred(sealed({"zeros": b"\0" * 100_000})), tmp_path)
