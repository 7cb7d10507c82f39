"""A release: the same commit gives the same wheels, and a receiver sees what was changed on the way."""

import hashlib
import json
import shutil
import subprocess
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from blocks import __version__ as blocks_version
from orchestrator.dev import release
from orchestrator.version import VERSION
from tests.deploy import manifests

ROOT = Path(__file__).resolve().parents[2]
needs_git = pytest.mark.skipif(
    shutil.which("git") is None or not (ROOT / ".git").exists(), reason="this is not a checkout of git"
)
needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")


def verify(folder: Path) -> int:
    """What `make release` prints, typed by a receiver."""
    done = subprocess.run(["sh", "-c", release.VERIFY], cwd=folder, capture_output=True, check=False)
    return done.returncode


@needs_openssl
def test_a_receiver_sees_what_was_changed_on_the_way(tmp_path):
    (tmp_path / "one.whl").write_bytes(b"one")
    (tmp_path / "two.yaml").write_bytes(b"two")
    release.sign_checksums(tmp_path, Ed25519PrivateKey.generate())
    assert verify(tmp_path) == 0
    (tmp_path / "one.whl").write_bytes(b"other")
    assert verify(tmp_path) != 0
    # A sum that fits the other file is not what was signed.
    sums = tmp_path / release.SUMS
    text = sums.read_text().replace(hashlib.sha256(b"one").hexdigest(), hashlib.sha256(b"other").hexdigest())
    sums.write_text(text)
    assert verify(tmp_path) != 0


def test_only_a_key_of_the_right_kind_signs(tmp_path):
    path = tmp_path / "key.pem"
    path.write_text("no key")
    with pytest.raises(release.ReleaseError, match="not a key in PEM"):
        release.read_signing_key({"RELEASE_SIGNING_KEY_FILE": str(path)})
    made = Ed25519PrivateKey.generate()
    path.write_bytes(made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    read = release.read_signing_key({"RELEASE_SIGNING_KEY_FILE": str(path)})
    assert release.find_fingerprint(read) == release.find_fingerprint(made)
    with pytest.raises(release.ReleaseError, match=r"gone\.pem"):
        release.read_signing_key({"RELEASE_SIGNING_KEY_FILE": str(tmp_path / "gone.pem")})


def test_every_part_carries_the_same_version(client):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert VERSION == project["version"] == blocks_version
    assert client.get("/health").json()["version"] == VERSION
    deployment = manifests.find(manifests.build_overlay("production"), "Deployment", "flowengine")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert container["image"] == f"flowengine:v{VERSION}"
    assert "## Unreleased" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


@needs_git
@pytest.mark.timeout(400)
def test_the_same_commit_gives_the_same_wheels(tmp_path):
    digests = []
    for number in range(2):
        source, target = tmp_path / f"source-{number}", tmp_path / f"wheels-{number}"
        source.mkdir()
        target.mkdir()
        moment = release.export_commit(source)
        release.build_wheels(source, target, moment)
        digests.append(
            {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in target.iterdir()}
        )
    assert digests[0] == digests[1]
    assert sorted(digests[0]) == [
        f"multi_llm_blocks-{VERSION}-py3-none-any.whl",
        f"multi_llm_orchestrator-{VERSION}-py3-none-any.whl",
    ]
    with zipfile.ZipFile(
        tmp_path / "wheels-0" / f"multi_llm_orchestrator-{VERSION}-py3-none-any.whl"
    ) as wheel:
        names = wheel.namelist()
    assert "orchestrator/version.py" in names
    assert [name for name in names if name.startswith(("tests/", "bench/"))] == []


@needs_git
@needs_openssl
@pytest.mark.timeout(400)
def test_a_machine_without_the_tools_builds_what_it_can_and_names_the_rest(tmp_path, monkeypatch, capsys):
    # A checkout in which somebody works has changed files.
    monkeypatch.setattr(release, "check_commit", lambda: None)
    monkeypatch.setattr(release, "find_tool", lambda *_: None)
    which = shutil.which
    monkeypatch.setattr(
        shutil, "which", lambda name, *more: None if name == "buildah" else which(name, *more)
    )
    target = tmp_path / "dist"
    assert release.main([str(target)]) == 0
    said = capsys.readouterr().out
    for words in ("cyclonedx-py cannot", "kubectl cannot", "buildah is not installed"):
        assert words in said
    assert release.VERIFY in said
    found = {path.name for path in target.iterdir()}
    assert {release.SUMS, release.SIGNATURE, release.PUBLIC_KEY, "CHANGELOG.md"} < found
    assert len([name for name in found if name.endswith(".whl")]) == 2
    assert verify(target) == 0


def test_a_release_that_nobody_can_sign_is_not_built(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(release, "check_commit", lambda: None)
    monkeypatch.setenv("RELEASE_SIGNING_KEY_FILE", str(tmp_path / "missing.pem"))
    target = tmp_path / "dist"
    assert release.main([str(target)]) == 1
    assert "is not a key in PEM" in capsys.readouterr().err
    assert list(target.iterdir()) == []


@needs_git
def test_a_release_is_of_a_commit_with_its_own_version(tmp_path):
    def git(*words):
        who = ("-c", "user.name=Release", "-c", "user.email=release@company.com")
        subprocess.run(["git", *who, *words], cwd=tmp_path, check=True, capture_output=True)

    with pytest.raises(release.ReleaseError, match="not a checkout"):
        release.check_commit(tmp_path, "0.1.0")
    git("init", "--quiet")
    (tmp_path / "file").write_text("one")
    git("add", "file")
    git("commit", "--quiet", "--message", "One")
    release.check_commit(tmp_path, "0.1.0")
    (tmp_path / "file").write_text("two")
    with pytest.raises(release.ReleaseError, match=r"not committed.*file"):
        release.check_commit(tmp_path, "0.1.0")
    git("checkout", "--quiet", "file")
    git("tag", "v0.1.0")
    release.check_commit(tmp_path, "0.1.0")
    with pytest.raises(release.ReleaseError, match=r"version is 0\.2\.0, but this commit is v0\.1\.0"):
        release.check_commit(tmp_path, "0.2.0")
    git("commit", "--quiet", "--allow-empty", "--message", "Two")
    with pytest.raises(release.ReleaseError, match=r"v0\.1\.0 is another commit"):
        release.check_commit(tmp_path, "0.1.0")


def refuse():
    raise release.ReleaseError("Files are changed.")


def test_a_refused_release_leaves_the_last_one_where_it_is(tmp_path, monkeypatch, capsys):
    (tmp_path / "last.whl").touch()
    monkeypatch.setattr(release, "check_commit", refuse)
    assert release.main([str(tmp_path)]) == 1
    assert "Files are changed." in capsys.readouterr().err
    assert (tmp_path / "last.whl").exists()


@needs_git
@pytest.mark.slow
@pytest.mark.timeout(2400)
def test_a_release_is_whole(tmp_path, monkeypatch):
    certificates = Path("/etc/ssl/certs")
    if certificates.is_dir():
        monkeypatch.setenv("CERTIFICATES", str(certificates))
    missing = release.build_release(tmp_path)
    found = {path.name for path in tmp_path.iterdir()}
    assert {release.SUMS, release.SIGNATURE, release.PUBLIC_KEY, "CHANGELOG.md"} <= found
    left_out = " ".join(missing)
    if "CycloneDX" not in left_out:
        parts = json.loads((tmp_path / f"orchestrator-{VERSION}.cdx.json").read_text())
        names = {one["name"].lower() for one in parts["components"]}
        assert parts["bomFormat"] == "CycloneDX"
        assert {"django", "celery", "psycopg"} <= names
    if "manifests" not in left_out:
        text = (tmp_path / f"kubernetes-production-{VERSION}.yaml").read_text()
        assert "Deployment" in {one["kind"] for one in yaml.safe_load_all(text)}
    # Its own name, not that of a tool in its reason.
    if not any(one.startswith("image:") for one in missing):
        with tarfile.open(tmp_path / f"flowengine-{VERSION}.tar") as archive:
            (named,) = read_member(archive, "manifest.json")
            config = read_member(archive, named["Config"])
        # As the manifests of the same release ask for it; a registry in front is the receiver's.
        assert f"docker.io/library/{release.IMAGE}:v{VERSION}" in named["RepoTags"]
        assert config["config"]["User"] == "10001:10001"
        assert "/health" in " ".join(config["config"]["Healthcheck"]["Test"])
    if shutil.which("openssl"):
        assert verify(tmp_path) == 0
    run_what_a_receiver_installs(tmp_path / f"multi_llm_blocks-{VERSION}-py3-none-any.whl", tmp_path)


def read_member(archive, name):
    member = archive.extractfile(name)
    assert member is not None
    return json.load(member)


def run_what_a_receiver_installs(wheel, folder):
    """The command line in an environment without this checkout."""
    uv, place = ROOT / ".venv/bin/uv", folder / "venv"
    subprocess.run([uv, "venv", "--quiet", place], check=True)
    subprocess.run([uv, "pip", "install", "--quiet", "--python", place / "bin/python", wheel], check=True)
    typed = subprocess.run([place / "bin/blocks", "--version"], cwd=folder, capture_output=True, check=True)
    assert typed.stdout.decode() == f"blocks {VERSION}\n"
