"""API tokens: made once, shown once, known afterwards by their SHA-256 only.

A token is rotated without downtime: its successor has the same name, reach and scopes, and both work until
the older one expires. ``last_used_at`` of the older one tells whether somebody still uses it.
"""

import hashlib
import json
import secrets
from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

from orchestrator.core import audit, database
from orchestrator.core.errors import FixedBy, OrchestratorError
from orchestrator.core.sql import load_statements
from orchestrator.repos.models import Repo, Token, TokenStatus
from orchestrator.repos.scopes import EVERYTHING, TokenScope

PREFIX = "blk_"
DEFAULT_OVERLAP: Final = timedelta(days=1)
LONGEST_OVERLAP: Final = timedelta(days=7)
_TOUCH_EVERY = timedelta(minutes=1)
_SQL = load_statements(__file__)
# In the order of the models. What is left out is read when somebody asks for it.
_TOKEN_FIELDS: Final = (
    *("id", "name", "repo_id", "scopes", "replaces_id", "trust_id"),
    *("created_by", "created_at", "expires_at", "last_used_at", "revoked_at"),
)
_REPO_FIELDS: Final = (
    *("id", "name", "domain", "team_lead", "clone_url", "phase", "enabled", "paused", "onboarded_at"),
)


class TokenNotLive(OrchestratorError):
    """The token has ended, so it cannot be rotated."""

    code = "token:not-live"
    cure = "Make a new one: `POST /api/v1/tokens/`."
    fixed_by = FixedBy.REPO_OWNER
    http_status = 409


class TokenReplaced(OrchestratorError):
    """The token was rotated before."""

    code = "token:replaced"
    fixed_by = FixedBy.REPO_OWNER
    http_status = 409


class ScopeNotHeld(OrchestratorError):
    """Nobody can give a token more than their own token may do."""

    code = "token:scope-not-held"
    fixed_by = FixedBy.REPO_OWNER
    http_status = 403


def digest_secret(secret: str) -> str:
    """What is stored of a secret.

    A plain hash is enough: the secret has 256 random bits, so it cannot be guessed.
    """
    return hashlib.sha256(secret.encode()).hexdigest()


def create_token(
    name: str,
    repo: Repo | None = None,
    *,
    scopes: Iterable[str] = (EVERYTHING,),
    expires_at: datetime | None = None,
    created_by: str = "",
    secret: str = "",
    **more: Any,
) -> tuple[Token, str]:
    """A new token and its secret, which nobody can read again. Without a repo it reaches every repo.

    ``more`` are fields of the row: what it ``replaces``, or which ``trust`` it was given by.
    """
    secret = secret or PREFIX + secrets.token_urlsafe(32)
    with audit.act_as(created_by):
        token = Token.objects.create(
            name=name,
            repo=repo,
            digest=digest_secret(secret),
            scopes=sorted(set(scopes)),
            expires_at=expires_at,
            created_by=created_by,
            **more,
        )
    return token, secret


def find_token(secret: str, address: str | None = None) -> Token | None:
    """The token behind ``secret``, if it was not revoked; it may have expired.

    Its last use is kept to the minute, with the ``address`` that it came from, so that a read is seldom a
    write.
    """
    if not secret.startswith(PREFIX):
        return None
    # The lookup is by the digest, so that no time tells how much of a secret was right.
    row = database.find_row(_SQL["find_token"], {"digest": digest_secret(secret)})
    if row is None:
        return None
    token = _build_token(row)
    now = timezone.now()
    last_used = token.last_used_at
    if token.status == TokenStatus.LIVE and (last_used is None or last_used < now - _TOUCH_EVERY):
        # Asked again, because of many requests in the same moment one is enough to write it down.
        stale = Q(last_used_at=None) | Q(last_used_at__lt=now - _TOUCH_EVERY)
        Token.objects.filter(stale, pk=token.pk).update(last_used_at=now, last_used_from=address or None)
    return token


def _build_token(row: Any) -> Token:
    """The token and its repo as Django would have read them; building its own statement takes it longer than
    everything else that is known of a request.
    """
    values = row._asdict() | {"scopes": json.loads(row.scopes)}
    token: Token = Token.from_db("default", _TOKEN_FIELDS, [values[name] for name in _TOKEN_FIELDS])
    if token.repo_id is not None:
        token.repo = Repo.from_db("default", _REPO_FIELDS, [token.repo_id, *row[len(_TOKEN_FIELDS) :]])
    return token


def revoke_token(token: Token, *, revoked_by: str = "") -> bool:
    """End ``token``; whether it was live until now."""
    with audit.act_as(revoked_by):
        # Compare-and-set: of two who revoke at the same moment, one is told that it was live.
        return Token.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=timezone.now()) == 1


def rotate_token(token: Token, *, created_by: str, overlap: timedelta = DEFAULT_OVERLAP) -> tuple[Token, str]:
    """A successor of ``token`` and its secret; ``token`` itself ends after ``overlap`` at the latest.

    The successor lasts as long as ``token`` was made to last. Raises ``TokenNotLive`` and ``TokenReplaced``.
    """
    now = timezone.now()
    with transaction.atomic():
        # Locked, so that it is not revoked in between: a successor would outlive the revocation.
        old = Token.objects.select_for_update().get(pk=token.pk)
        if old.trust_id is not None:
            raise TokenNotLive(
                f"The token {old.name!r} is for one CI job, so it is not rotated.",
                code="token:of-ci-job",
                cure="The next job exchanges an OIDC token of its own.",
            )
        if old.status != TokenStatus.LIVE:
            raise TokenNotLive(f"The token {old.name!r} is {old.status}, so it cannot be rotated.")
        # The first rotation has set an end to the old token, so a second one copies from the first successor.
        pattern = Token.objects.filter(replaces=old).first() or old
        lifetime = None if pattern.expires_at is None else pattern.expires_at - pattern.created_at
        try:
            with transaction.atomic():
                made = create_token(
                    old.name,
                    old.repo,
                    scopes=old.scopes,
                    expires_at=None if lifetime is None else now + lifetime,
                    created_by=created_by,
                    replaces=old,
                )
        except IntegrityError as error:
            raise _describe_successor(old) from error
        end = now + overlap
        old.expires_at = end if old.expires_at is None else min(old.expires_at, end)
        old.save(update_fields=["expires_at"])
    return made


def _describe_successor(old: Token) -> TokenReplaced:
    successor = Token.objects.get(replaces=old, revoked_at=None)
    return TokenReplaced(
        f"The token {old.name!r} was rotated before; its successor is {successor.pk}.",
        cure=f"Rotate {successor.pk}; if its secret was lost, revoke it first, then rotate this one again.",
    )


def refuse_scopes_not_held(wanted: Iterable[str], held: Collection[TokenScope]) -> None:
    """Raise ``ScopeNotHeld`` where ``wanted`` goes beyond ``held``."""
    missing = sorted(set(map(str, wanted)) - set(map(str, held)))
    if missing:
        raise ScopeNotHeld(
            f"The token of this request lacks {', '.join(missing)}, so it cannot give that to another one.",
            cure="Ask for fewer scopes, or use a token that has them.",
        )
