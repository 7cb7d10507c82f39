"""The public keys that an issuer of OIDC tokens signs with: fetched with bounds, and kept.

1. Keys are fetched again after an hour, and where a token names one that is not among them, because issuers
   change their keys. Anybody can name an unknown key, so that is at most once a minute.
2. The issuer is away: the keys that are there count for a day, then none does.
3. A fetch that failed is not repeated for ten seconds, so that an issuer in trouble holds up few threads.
4. One thread fetches. Those that come meanwhile use the keys that are there, or wait for it where there are
   none.
"""

import json
import logging
import threading
import time
from typing import Any, Final
from urllib.parse import urlsplit

import httpx2
import jwt
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from orchestrator.core.errors import FixedBy, OrchestratorError
from orchestrator.repos.outside_calls import call_outside

FRESH_SECONDS: Final = 3600.0
KEPT_SECONDS: Final = 24 * 3600.0
UNKNOWN_KEY_SECONDS: Final = 60.0
RETRY_SECONDS: Final = 10.0
FETCH_SECONDS: Final = 5.0
MAX_BYTES: Final = 256_000
MAX_KEYS: Final = 100
_SMALLEST_RSA: Final = 2048
_OK: Final = 200
log = logging.getLogger(__name__)


class KeysAway(OrchestratorError):
    """The signing keys of the issuer cannot be fetched."""

    code = "exchange:keys-away"
    cure = "Run the job again in a minute; if it stays so, an operator looks at the log of the web process."
    fixed_by = FixedBy.PROVIDER
    retryable = True
    retry_after_seconds = RETRY_SECONDS


class _FetchFailed(Exception):
    """What the issuer answers cannot be used; control flow of this module."""


class SigningKeys:
    """The keys of one issuer."""

    def __init__(self, issuer: str) -> None:
        self.issuer = issuer
        self._fetching = threading.Lock()
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetched_at: float | None = None
        self._tried_at: float | None = None

    def find_key(self, key_id: str) -> jwt.PyJWK | None:
        """The key with this id, or None; raises ``KeysAway`` where no keys are available."""
        if self._is_fetch_due(key_id):
            # Who finds somebody fetching waits only where there is nothing to go by.
            wait = 2 * FETCH_SECONDS if self._find_age() is None else 0.0
            if self._fetching.acquire(timeout=wait):
                try:
                    if self._is_fetch_due(key_id):
                        self._fetch()
                finally:
                    self._fetching.release()
        age = self._find_age()
        if age is None or age > KEPT_SECONDS:
            raise KeysAway(f"The signing keys of {self.issuer} cannot be fetched at present.")
        return self._keys.get(key_id)

    def _find_age(self) -> float | None:
        return None if self._fetched_at is None else time.monotonic() - self._fetched_at

    def _is_fetch_due(self, key_id: str) -> bool:
        since = None if self._tried_at is None else time.monotonic() - self._tried_at
        if since is not None and since < RETRY_SECONDS:
            return False
        age = self._find_age()
        if age is None or age > FRESH_SECONDS:
            return True
        return key_id not in self._keys and (since is None or since > UNKNOWN_KEY_SECONDS)

    def _fetch(self) -> None:
        try:
            self._keys = _fetch_keys(self.issuer)
        except (httpx2.HTTPError, _FetchFailed) as error:
            log.warning("the keys of %s cannot be fetched: %s: %s", self.issuer, type(error).__name__, error)
        else:
            self._fetched_at = time.monotonic()
        finally:
            # At the end: those that come meanwhile must find a fetch due, and wait for this one.
            self._tried_at = time.monotonic()


def _fetch_keys(issuer: str) -> dict[str, jwt.PyJWK]:
    """The keys by their ids, as OpenID Connect Discovery 1.0 finds them."""
    described = _fetch_object(f"{issuer}/.well-known/openid-configuration")
    address = described.get("jwks_uri")
    if described.get("issuer") != issuer or not isinstance(address, str):
        raise _FetchFailed("the discovery document is not that of the issuer")
    # Another host would be one that no operator has named.
    if urlsplit(address)[:2] != urlsplit(issuer)[:2]:
        raise _FetchFailed("the keys are at another host than the issuer")
    listed = _fetch_object(address).get("keys")
    if not isinstance(listed, list) or len(listed) > MAX_KEYS:
        raise _FetchFailed("the list of keys cannot be read, or is too long")
    found: dict[str, jwt.PyJWK] = {}
    for one in listed:
        key = _read_key(one)
        if key is not None:
            found.setdefault(str(key.key_id), key)
    if not found:
        raise _FetchFailed("none of the keys can be used")
    return found


def _read_key(described: Any) -> jwt.PyJWK | None:
    """A key for RS256 or ES256; None for every other one, which is left out."""
    if not isinstance(described, dict) or not isinstance(described.get("kid"), str):
        return None
    if described.get("use", "sig") != "sig":
        return None
    try:
        key = jwt.PyJWK(described)
    # The library lets errors of the numbers inside through.
    except (jwt.PyJWTError, ValueError, TypeError, OverflowError):
        return None
    match key.key:
        case RSAPublicKey() as public if public.key_size >= _SMALLEST_RSA:
            return key if key.algorithm_name == "RS256" else None
        case EllipticCurvePublicKey(curve=SECP256R1()):
            return key if key.algorithm_name == "ES256" else None
    return None


def _fetch_object(url: str) -> dict[str, Any]:
    answer = call_outside("GET", url, seconds=FETCH_SECONDS, max_bytes=MAX_BYTES)
    if answer.status != _OK or not answer.is_whole:
        raise _FetchFailed(f"HTTP {answer.status}, {len(answer.body)} bytes or more")
    try:
        found = json.loads(answer.body)
    except (ValueError, RecursionError) as error:
        raise _FetchFailed("the answer is not JSON") from error
    if not isinstance(found, dict):
        raise _FetchFailed("the answer is not a JSON object")
    return found
