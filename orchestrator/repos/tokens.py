"""API tokens: made once, shown once, known afterwards by their SHA-256 only."""

import hashlib
import secrets
from datetime import timedelta

from django.db.models import Q
from django.utils import timezone

from orchestrator.repos.models import Repo, Token

PREFIX = "blk_"
_TOUCH_EVERY = timedelta(minutes=1)


def digest_secret(secret: str) -> str:
    """What is stored of a secret.

    A plain hash is enough: the secret has 256 random bits, so it cannot be guessed.
    """
    return hashlib.sha256(secret.encode()).hexdigest()


def create_token(name: str, repo: Repo | None = None, *, secret: str = "") -> tuple[Token, str]:
    """A new token and its secret, which nobody can read again. Without a repo it reaches every repo."""
    secret = secret or PREFIX + secrets.token_urlsafe(32)
    return Token.objects.create(name=name, repo=repo, digest=digest_secret(secret)), secret


def find_token(secret: str) -> Token | None:
    """The live token behind ``secret``.

    Its last use is kept to the minute, so that a read is seldom a write.
    """
    if not secret.startswith(PREFIX):
        return None
    # The lookup is by the digest, so that no time tells how much of a secret was right.
    token = Token.objects.select_related("repo").filter(digest=digest_secret(secret), revoked_at=None).first()
    if token is not None:
        now = timezone.now()
        stale = Q(last_used_at=None) | Q(last_used_at__lt=now - _TOUCH_EVERY)
        Token.objects.filter(stale, pk=token.pk).update(last_used_at=now)
    return token


def revoke_token(token: Token) -> bool:
    """End ``token``; whether it was live until now."""
    # Compare-and-set: of two who revoke at the same moment, one is told that it was live.
    return Token.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=timezone.now()) == 1
