"""``Idempotency-Key``: the same request sent twice acts once.

A key is bound to the digest of the body it came with. The same body gives the same answer again; another body
under the same key is refused.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from rest_framework.request import Request

from orchestrator.rest.problems import Problem

_KEY = re.compile(r"[\x21-\x7e]{1,255}")


def read_key(request: Request) -> str | None:
    """The key that the request carries: 1 to 255 visible ASCII characters."""
    key = request.headers.get("Idempotency-Key")
    if key is None:
        return None
    if not _KEY.fullmatch(key):
        raise Problem(
            400,
            "idempotency:invalid-key",
            "Idempotency-Key must be 1 to 255 visible ASCII characters.",
            cure="Send a UUID, or a name of the job and its run.",
        )
    return key


def digest_body(body: Mapping[str, Any]) -> str:
    """SHA-256 of ``body`` as canonical JSON, in hexadecimal digits."""
    # Sorted keys: a client may write the same object in another order when it sends it again.
    text = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
