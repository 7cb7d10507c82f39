"""The Ed25519 key that signs evidence: from EVIDENCE_SIGNING_KEY, or made once under STATE_DIR for local
use.
"""

import os
import tempfile
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from django.conf import settings

from blocks.format.keys import compute_key_id
from orchestrator.flows.evidence.errors import SigningKeyInvalid, SigningKeyMissing


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key and its public half. ``key_id`` is the SHA-256 of the public key (SPKI, DER)."""

    key_id: str
    public_pem: str
    private: Ed25519PrivateKey = field(repr=False)


def current_key() -> SigningKey:
    """The key in force; raises ``SigningKeyMissing`` and ``SigningKeyInvalid``."""
    if settings.EVIDENCE_SIGNING_KEY:
        # Some secret stores keep a PEM in one line, with `\n` between its parts.
        pem = settings.EVIDENCE_SIGNING_KEY.replace("\\n", "\n")
        return _parse_key(pem.encode(), "EVIDENCE_SIGNING_KEY")
    if settings.CONTEXT_BUNDLE_BUCKET:
        raise SigningKeyMissing(
            "EVIDENCE_SIGNING_KEY is not set, and evidence for a bucket is not signed "
            "with a key on a worker's disk."
        )
    path = Path(settings.STATE_DIR) / "keys" / "evidence.pem"
    try:
        return _parse_key(_load_or_make(path), str(path))
    except OSError as error:
        raise SigningKeyMissing(
            f"The local signing key cannot be made or read: {error.strerror}.",
            cure=f"Make {path.parent} writable, or set EVIDENCE_SIGNING_KEY.",
        ) from error


# Cached by the PEM, so a changed setting is read again; sealing asks for the key of each block.
@lru_cache(maxsize=8)
def _parse_key(pem: bytes, source: str) -> SigningKey:
    try:
        private = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise SigningKeyInvalid(f"{source} is not a private key in PEM without password.") from error
    if not isinstance(private, Ed25519PrivateKey):
        raise SigningKeyInvalid(f"{source} is not an Ed25519 key.")
    public = private.public_key()
    public_pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    return SigningKey(compute_key_id(public), public_pem, private)


def _load_or_make(path: Path) -> bytes:
    """The key under ``path``, made if it is not there."""
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        made = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        # Of several processes that make a key at once, all read the one that was first.
        place_once(path, made, mode=0o600)
    return path.read_bytes()


def place_once(path: Path, content: bytes, *, mode: int) -> bool:
    """Put ``content`` at ``path`` whole, with ``mode``, unless something is there; whether it was put."""
    # A hard link appears with all of its bytes or not at all, and fails where the name is taken: no
    # reader sees half a file.
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.") as scratch:  # made with 0600
        scratch.write(content)
        scratch.flush()
        os.fchmod(scratch.fileno(), mode)
        os.fsync(scratch.fileno())
        try:
            os.link(scratch.name, path)
        except FileExistsError:
            return False
    return True
