"""Is this OIDC token genuine, new enough, meant for this service, and of an issuer that operators trust?"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Any, Final, NoReturn

import jwt
from django.conf import settings

from orchestrator.core.errors import FixedBy, OrchestratorError
from orchestrator.repos.ci_jobs.claims import CLAIM_READERS, ClaimRefused, JobClaims
from orchestrator.repos.ci_jobs.signing_keys import SigningKeys

# Never one with a shared secret: the public key would do as the secret.
ALGORITHMS: Final = ("RS256", "ES256")
LEEWAY: Final = timedelta(seconds=30)
LONGEST_LIFE: Final = timedelta(days=1)
MAX_LENGTH: Final = 8192
_REQUIRED: Final = ("iss", "sub", "aud", "iat", "exp")


class ExchangeNotConfigured(OrchestratorError):
    """This deployment exchanges no OIDC tokens."""

    code = "exchange:not-configured"
    cure = "An operator sets CI_OIDC_AUDIENCE to the address of this service."
    fixed_by = FixedBy.OPERATOR
    http_status = 503


class IdTokenRefused(OrchestratorError):
    """The OIDC token cannot be trusted."""

    code = "exchange:invalid-token"
    fixed_by = FixedBy.REQUESTER
    http_status = 401


@dataclass(frozen=True, slots=True)
class VerifiedToken:
    """A token that was verified. ``digest`` is the same for the same token, and for no other."""

    issuer: str
    vendor: str
    subject: str
    job: JobClaims
    digest: str


def verify_id_token(token: str) -> VerifiedToken:
    """Read and check ``token``.

    Raises ``IdTokenRefused``, ``ExchangeNotConfigured``, and ``KeysAway`` where nothing can be said now.
    """
    if not settings.CI_OIDC_AUDIENCE:
        raise ExchangeNotConfigured
    key_id, issuer = _read_unverified(token)
    vendor = settings.CI_OIDC_ISSUERS.get(issuer)
    if vendor is None:
        _refuse(f"its issuer is not one of {', '.join(settings.CI_OIDC_ISSUERS)}")
    key = _keys_of(issuer).find_key(key_id)
    if key is None:
        _refuse("it is signed with a key that its issuer does not list")
    claims = _decode(token, key, issuer)
    try:
        job = CLAIM_READERS.get(vendor)(claims)
    except ClaimRefused as error:
        _refuse(str(error))
    return VerifiedToken(issuer, vendor, str(claims["sub"])[:255], job, _digest(claims))


def _read_unverified(token: str) -> tuple[str, str]:
    """The id of the key and the issuer that ``token`` claims; they only say what to check it against."""
    if len(token) > MAX_LENGTH:
        _refuse(f"it is longer than {MAX_LENGTH} characters")
    try:
        header = jwt.get_unverified_header(token)
        claimed = jwt.decode(token, options={"verify_signature": False})
    except (jwt.PyJWTError, ValueError, RecursionError):
        _refuse("it is not a JSON web token")
    if header.get("alg") not in ALGORITHMS:
        _refuse(f"it is not signed with one of {', '.join(ALGORITHMS)}")
    key_id, issuer = header.get("kid"), claimed.get("iss")
    if not isinstance(key_id, str) or not isinstance(issuer, str):
        _refuse("it does not name its key and its issuer")
    return key_id, issuer


def _decode(token: str, key: jwt.PyJWK, issuer: str) -> dict[str, Any]:
    """The claims, once signature, times, issuer and audience are right."""
    try:
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            # That of the key alone, so that the header chooses nothing.
            algorithms=[str(key.algorithm_name)],
            issuer=issuer,
            audience=settings.CI_OIDC_AUDIENCE,
            leeway=LEEWAY,
            # One audience: another one named beside it could use the token here.
            options={"require": list(_REQUIRED), "strict_aud": True},
        )
    except jwt.ExpiredSignatureError:
        _refuse("it has expired")
    except jwt.InvalidAudienceError:
        _refuse(f"its audience is not {settings.CI_OIDC_AUDIENCE}")
    except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError) as error:
        _refuse(f"it does not hold ({type(error).__name__})")
    # Until a token ends, it has to be known that it was used.
    if int(claims["exp"]) - int(claims["iat"]) > LONGEST_LIFE.total_seconds():
        _refuse("it lives longer than a day")
    return claims


def _digest(claims: Mapping[str, Any]) -> str:
    """What tells one token from another: its ``jti``, or all of its claims where it has none.

    Not the text of the token, of which there may be several for one signature.
    """
    named = claims.get("jti")
    content = [claims["iss"], named] if isinstance(named, str) and named else claims
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


@cache
def _keys_of(issuer: str) -> SigningKeys:
    """For issuers of the settings only, so there are few."""
    return SigningKeys(issuer)


def _refuse(why: str) -> NoReturn:
    raise IdTokenRefused(
        f"The OIDC token cannot be exchanged: {why}.",
        cure=f"Let the job ask its CI for a new one with the audience {settings.CI_OIDC_AUDIENCE}.",
    )
