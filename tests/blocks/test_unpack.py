"""Blocks onto disk: only what the manifest names, only inside the folder, whole or not at all."""

import hashlib
import io
import json
import tarfile
from pathlib import Path

import pytest

from blocks.cli import unpack
from blocks.cli.errors import Failure

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
    return files | {
        "manifest.json": json.dumps({"family": "f", "name": "ratio", "files": named} | manifest).encode()
    }


def tarred(files: dict[str, bytes], /, **odd: str) -> bytes:
    """A tar.gz of ``files`` with odd members: name to the type of a tar entry."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w:gz") as tar:
        for path, content in files.items():
            info = tarfile.TarInfo(path)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
        for path, kind in odd.items():
            info = tarfile.TarInfo(path)
            info.type, info.linkname = kind.encode(), "/etc/passwd"
            tar.addfile(info)
    return raw.getvalue()


def everything(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_a_good_block_is_placed_whole(tmp_path):
    placed = unpack.place(tarred(sealed(FILES)), tmp_path)
    assert placed.folder == tmp_path / "catalog/f/ratio"
    assert everything(placed.folder) == sealed(FILES)
    assert json.loads((tmp_path / "schemas/f.ratio.json").read_text())["title"] == "f/ratio"


def test_a_new_version_replaces_the_old_one_without_leavings(tmp_path):
    unpack.place(tarred(sealed(FILES | {"old.py": b""})), tmp_path)
    unpack.place(tarred(sealed(FILES)), tmp_path)
    assert everything(tmp_path / "catalog/f") == {
        f"ratio/{path}": content for path, content in sealed(FILES).items()
    }


@pytest.mark.parametrize(
    "archive",
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
    ],
)
def test_what_is_not_to_be_trusted_writes_nothing(tmp_path, archive):
    unpack.place(tarred(sealed(FILES)), tmp_path)
    before = everything(tmp_path)
    with pytest.raises(Failure) as failure:
        unpack.place(archive, tmp_path)
    assert failure.value.code == "block:untrusted"
    assert everything(tmp_path) == before


def test_a_bomb_is_not_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(unpack, "MAX_BLOCK_BYTES", 1000)
    with pytest.raises(Failure, match="unpacks to over"):
        unpack.place(tarred(sealed({"zeros": b"\0" * 100_000})), tmp_path)
