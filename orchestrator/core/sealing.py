"""Secrets that have to be kept and read again: encrypted with a key that is derived from SECRET_KEY.

AES-256-GCM with a random nonce; the purpose is part of the key, so what was sealed for one is not opened for
another. A database backup alone gives away none of it. SECRET_KEY_FALLBACKS opens what an older key has
sealed.
"""

import os
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

from orchestrator.core.errors import FixedBy, OrchestratorError

_NONCE_BYTES: Final = 12
_KEY_BYTES: Final = 32


class SealBroken(OrchestratorError):
    """What was stored cannot be opened: it was sealed with another SECRET_KEY, or was changed."""

    code = "sealing:broken"
    cure = "An operator restores the SECRET_KEY that was in use before; or retry the step that has stored it."
    fixed_by = FixedBy.OPERATOR


def seal(content: bytes, purpose: str) -> bytes:
    """``content`` encrypted for ``purpose``; never twice the same."""
    # 96 random bits: with one key, billions of seals before two nonces are likely to meet.
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + AESGCM(_derive_key(settings.SECRET_KEY, purpose)).encrypt(nonce, content, None)


def unseal(sealed: bytes, purpose: str) -> bytes:
    """What was sealed for ``purpose``; raises ``SealBroken``."""
    nonce, rest = bytes(sealed[:_NONCE_BYTES]), bytes(sealed[_NONCE_BYTES:])
    for secret in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS):
        try:
            return AESGCM(_derive_key(secret, purpose)).decrypt(nonce, rest, None)
        except (InvalidTag, ValueError):
            # Of an older key, perhaps.
            continue
    raise SealBroken


def _derive_key(secret: str | bytes, purpose: str) -> bytes:
    # SECRET_KEY has enough bits by itself, so that no slow derivation is needed.
    info = f"orchestrator {purpose}".encode()
    return HKDF(SHA256(), _KEY_BYTES, salt=None, info=info).derive(str(secret).encode())
