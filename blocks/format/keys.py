"""Public keys of evidence: Ed25519 in PEM, named by their own digest."""

from collections.abc import Mapping

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from blocks.format.canonical import sha256
from blocks.format.errors import FormatError

Keys = Mapping[str, Ed25519PublicKey]
"""Key id to key."""


def compute_key_id(public: Ed25519PublicKey) -> str:
    """SHA-256 of the key as SubjectPublicKeyInfo in DER, in hexadecimal: an id that a forger cannot
    choose.
    """
    return sha256(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


def read_public_key(pem: bytes) -> tuple[str, Ed25519PublicKey]:
    """Id and key of a PEM text; raises ``FormatError`` for anything else."""
    try:
        key = load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise FormatError("it is not a public key in PEM") from error
    # One algorithm only, so no signature can be checked with a weaker one than it was made with.
    if not isinstance(key, Ed25519PublicKey):
        raise FormatError("it is not an Ed25519 key")
    return compute_key_id(key), key
