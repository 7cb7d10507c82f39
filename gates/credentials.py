"""Whether a value that is called a password, a key or a token looks like one.

The scanners go by the name: ``token_type = "bearer"`` is reported like ``password = "hunter2"``. The value tells them apart.
"""

import ast
import math
import re
from collections import Counter
from collections.abc import Iterator

from gates import syntax

_SHORTEST, _LONG, _BITS = 6, 20, 3.5
_WORDS = re.compile(r"[A-Za-z]+([ _.:/-]+[A-Za-z]+)*[ _.:/-]*")
# An algorithm, a version, a format: words that end in a number and are no secret.
_TECHNICAL = re.compile(
    r"(aes|argon|base|blake|bcrypt|ecdsa|ed|es|hs|http|iso|ldap|md|oauth|pbkdf|ps|rfc|rs|rsa|scrypt|sha|tls|utf|v|x)"
    r"[-_ ]?\d+[\w.-]*",
    re.IGNORECASE,
)
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://[^\s:@/]+(:\d+)?(/\S*)?", re.IGNORECASE)


def looks_like_a_secret(value: str) -> bool:
    """Letters mixed with digits or signs, or a long run of high entropy; words, algorithms, addresses and templates are none."""
    text = value.strip()
    if (
        len(text) < _SHORTEST
        or "{" in text
        or "%s" in text
        or _TECHNICAL.fullmatch(text)
        or _ADDRESS.fullmatch(text)
    ):
        return False
    if _WORDS.fullmatch(text):
        return len(text) >= _LONG and not re.search(r"[ _.:/-]", text) and _entropy(text) >= _BITS
    return (
        any(sign.isalpha() for sign in text)
        and any(sign.isdigit() or not sign.isalnum() for sign in text)
        and " " not in text
    )


def find_secrets(source: str, first: int, last: int) -> Iterator[str]:
    """Every text literal on the lines from ``first`` to ``last`` that looks like a secret."""
    for node in ast.walk(syntax.parse(source)):
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, (str, bytes))
            and first <= node.lineno <= last
        ):
            text = node.value if isinstance(node.value, str) else node.value.decode("latin-1")
            if looks_like_a_secret(text):
                yield text


def _entropy(text: str) -> float:
    """Bits of a sign, by Shannon."""
    counts = Counter(text)
    return -sum(count / len(text) * math.log2(count / len(text)) for count in counts.values())
