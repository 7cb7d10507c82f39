"""``make release``: everything that a release consists of, in ``dist/``, signed, and nothing published.

The wheels are built from the files of the commit, not from those of the folder, and with its time: the same
commit gives the same bytes again. A part whose tool is not at hand is named at the end and left out.
"""

import base64
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Mapping
from io import BytesIO
from pathlib import Path
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from orchestrator.core.errors import FixedBy, OrchestratorError
from orchestrator.dev.tool_environments import ROOT, find_tool
from orchestrator.version import VERSION

SUMS: Final = "SHA256SUMS"
SIGNATURE: Final = f"{SUMS}.sig"
PUBLIC_KEY: Final = "release.pub.pem"
IMAGE: Final = "flowengine"
OVERLAYS: Final = ("pilot", "soak", "production")
VERIFY: Final = (
    f"openssl pkeyutl -verify -pubin -inkey {PUBLIC_KEY} -rawin -in {SUMS} -sigfile {SIGNATURE}"
    f" && sha256sum --check --strict {SUMS}"
)
"""What a receiver types in the folder; the public key has to come by another way."""


class ReleaseError(OrchestratorError):
    """The release could not be built; the message says which part."""

    code = "dev:release"
    cure = "Fix what the message says, then type `make release` again."
    fixed_by = FixedBy.OPERATOR


def say(line: str) -> None:
    """A line of the report, at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def run(*command: object, environment: Mapping[str, str] | None = None, folder: Path = ROOT) -> bytes:
    """The output of a command that has to succeed. Raises ``ReleaseError``."""
    words = list(map(str, command))
    done = subprocess.run(
        words,
        cwd=folder,
        env=None if environment is None else {**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    if done.returncode != 0:
        said = (done.stdout + done.stderr).decode(errors="replace")
        raise ReleaseError(f"{Path(words[0]).name} ended with {done.returncode}: {said[-3000:]}")
    return done.stdout


def check_commit(folder: Path = ROOT, version: str = VERSION) -> None:
    """Raise ``ReleaseError`` where ``folder`` cannot be released as ``version``."""
    if shutil.which("git") is None or not (folder / ".git").exists():
        raise ReleaseError("A release is built from a commit, and this is not a checkout of git.")
    changed = run("git", "status", "--porcelain", "--untracked-files=no", folder=folder).decode().splitlines()
    if changed:
        raise ReleaseError(
            f"Files are changed and not committed, so they would be left out: {', '.join(changed[:5])}",
            cure="Commit or stash them, then type `make release` again.",
        )
    tag = f"v{version}"
    here = run("git", "tag", "--points-at", "HEAD", "--list", "v*", folder=folder).decode().split()
    if tag in here:
        return
    if here or run("git", "tag", "--list", tag, folder=folder):
        other = f"this commit is {here[0]}" if here else f"{tag} is another commit"
        raise ReleaseError(
            f"The version is {version}, but {other}.",
            cure="Set the version in orchestrator/version.py, pyproject.toml and blocks, or move the tag.",
        )
    say(f"  the commit has no tag {tag}: a trial, until it has one")


def export_commit(target: Path) -> int:
    """The files of the commit in ``target``; its time, in seconds since 1970. Raises ``ReleaseError``."""
    archive = run("git", "archive", "--format=tar", "HEAD")
    with tarfile.open(fileobj=BytesIO(archive)) as packed:
        # Python has this filter from 3.11.4 on.
        if hasattr(tarfile, "data_filter"):
            packed.extraction_filter = tarfile.data_filter
        packed.extractall(target)  # noqa: S202 - our own commit
    return int(run("git", "log", "-1", "--format=%ct"))


def build_wheels(source: Path, target: Path, moment: int) -> None:
    """The wheels of the product and of the command line."""
    # A build writes into its source, and what it finds there of an earlier one it packs again.
    environment = {"SOURCE_DATE_EPOCH": str(moment), "PYTHONHASHSEED": "0"}
    for folder in (source, source / "blocks"):
        options = ("--wheel", "--quiet", "--no-build-isolation", "--python", sys.executable)
        uv = ROOT / ".venv" / "bin" / "uv"
        run(uv, "build", *options, "--out-dir", target, folder, environment=environment)
    # Of the builder, about the folder.
    (target / ".gitignore").unlink(missing_ok=True)


def write_parts_list(source: Path, target: Path, moment: int) -> str:
    """Everything that the product runs on, as CycloneDX; why not, where the tool is not to be had."""
    tool = find_tool("deploy", "cyclonedx-py")
    if tool is None:
        return "cyclonedx-py cannot be installed"
    place = target / f"orchestrator-{VERSION}.cdx.json"
    # Reproducible: without the moment and a serial number of chance.
    options = ("--output-reproducible", "--output-format", "JSON", "--output-file", place)
    run(
        tool,
        "requirements",
        *options,
        "--pyproject",
        source / "pyproject.toml",
        source / "requirements.txt",
        environment={"SOURCE_DATE_EPOCH": str(moment)},
    )
    return ""


def render_manifests(source: Path, target: Path) -> str:
    """Each overlay as one file; why not, where kubectl is not to be had."""
    kubectl = find_tool("deploy", "kubectl")
    if kubectl is None:
        return "kubectl cannot be installed"
    for overlay in OVERLAYS:
        text = run(kubectl, "kustomize", source / "deploy/k8s/overlays" / overlay)
        (target / f"kubernetes-{overlay}-{VERSION}.yaml").write_bytes(text)
    return ""


def build_image(source: Path, target: Path, moment: int) -> str:
    """The image as an archive; why not, where buildah or a base is not at hand."""
    if shutil.which("buildah") is None:
        return "buildah is not installed; type `make image` for this commit on a machine that has it"
    if not os.environ.get("IMAGE_BASE") and shutil.which("mmdebstrap") is None:
        return (
            "IMAGE_BASE names no base, and mmdebstrap, which makes one of Debian's packages, is not installed"
        )
    name = f"{IMAGE}:v{VERSION}"
    environment = {"IMAGE": name, "SOURCE_DATE_EPOCH": str(moment)}
    run(source / "deploy/docker/build.sh", environment=environment, folder=source)
    run("buildah", "push", "--quiet", name, f"docker-archive:{target / f'flowengine-{VERSION}.tar'}:{name}")
    return ""


def sign_checksums(target: Path, key: Ed25519PrivateKey) -> None:
    """The digests of all files, signed by ``key``, and the public half of it."""
    lines = []
    for path in sorted(target.iterdir()):
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        lines.append(f"{digest}  {path.name}\n")
    sums = "".join(lines).encode()
    (target / SUMS).write_bytes(sums)
    (target / SIGNATURE).write_bytes(key.sign(sums))
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (target / PUBLIC_KEY).write_bytes(public)


def read_signing_key(environment: Mapping[str, str]) -> Ed25519PrivateKey:
    """The key in RELEASE_SIGNING_KEY_FILE, or one that is made once below ``.state``.

    Raises ``ReleaseError``.
    """
    named = environment.get("RELEASE_SIGNING_KEY_FILE", "")
    path = Path(named) if named else ROOT / ".state" / "release_signing_key.pem"
    if not named and not path.exists():
        say(f"  made a key for this machine: {path}")
        path.parent.mkdir(parents=True, exist_ok=True)
        # Closed before the key is in it.
        path.touch(mode=0o600)
        made = Ed25519PrivateKey.generate()
        path.write_bytes(made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ReleaseError(f"{path} is not a key in PEM that can be read: {type(error).__name__}.") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise ReleaseError(f"{path} is not an Ed25519 key.")
    return key


def find_fingerprint(key: Ed25519PrivateKey) -> str:
    """How people compare the public key: ``SHA256:`` and its digest."""
    raw = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return f"SHA256:{base64.b64encode(hashlib.sha256(raw).digest()).decode().rstrip('=')}"


def build_release(target: Path, environment: Mapping[str, str] = os.environ) -> list[str]:
    """Build everything into the empty folder ``target``; the parts that are missing, each with the reason."""
    # Asked first: a release that nobody can sign need not be built.
    key = read_signing_key(environment)
    missing = []
    with tempfile.TemporaryDirectory(prefix="release-") as name:
        source = Path(name)
        moment = export_commit(source)
        parts: tuple[tuple[str, Callable[[], str | None]], ...] = (
            ("wheels", lambda: build_wheels(source, target, moment)),
            ("list of parts (CycloneDX)", lambda: write_parts_list(source, target, moment)),
            ("manifests", lambda: render_manifests(source, target)),
            ("image", lambda: build_image(source, target, moment)),
        )
        for what, build in parts:
            say(f"  {what}")
            reason = build()
            if reason:
                missing.append(f"{what}: {reason}")
        shutil.copy(source / "CHANGELOG.md", target / "CHANGELOG.md")
    sign_checksums(target, key)
    say(f"  signed by {find_fingerprint(key)}")
    return missing


def main(argv: list[str]) -> int:
    """Build the release of this version; 1 where it cannot be built."""
    target = Path(argv[0]) if argv else ROOT / "dist"
    say(f"Release {VERSION} into {target}")
    try:
        check_commit()
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
        missing = build_release(target)
    except ReleaseError as error:
        sys.stderr.write(f"{error.message}\n{error.cure}\n")
        return 1
    for path in sorted(target.iterdir()):
        say(f"    {path.stat().st_size:>12,}  {path.name}")
    for line in missing:
        say(f"  left out: {line}")
    say(f"Check it where it arrives:\n    cd {target} && {VERIFY}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
