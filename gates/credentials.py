"""Whether a value that is called a password, a key or a token looks like one.

The scanners go by the name: they report ``token_type = "bearer"`` like ``password = "hunter2"``. The value
shows the difference.
"""

import ast
import math
import re
from collections import Counter
from collections.abc import Iterator

from gates import syntax

_MIN_LENGTH = 6
# A run of letters is a secret only if it is long and as random as base64 or hexadecimal text.
_LONG_WORD_LENGTH = 20
_MIN_ENTROPY_BITS = 3.5
_WORDS = re.compile(r"[A-Za-z]+([ _.:/-]+[A-Za-z]+)*[ _.:/-]*")
_WORD_SEPARATOR = re.compile(r"[ _.:/-]")
# An algorithm, a version, a format: words that end in a number and are not secrets.
_TECHNICAL_TERM = re.compile(
    r"(aes|argon|base|blake|bcrypt|ecdsa|ed|es|hs|http|iso|ldap|md"
    r"|oauth|pbkdf|ps|rfc|rs|rsa|scrypt|sha|tls|utf|v|x)"
    r"[-_ ]?\d+[\w.-]*",
    re.IGNORECASE,
)
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://[^\s:@/]+(:\d+)?(/\S*)?", re.IGNORECASE)


def looks_like_a_secret(value: str) -> bool:
    """Whether ``value`` mixes letters with digits or signs, or is a long run of high entropy.

    Words, names of algorithms, addresses and templates are not secrets.
    """
    text = value.strip()
    if len(text) < _MIN_LENGTH or _is_known_harmless(text):
        return False
    if _WORDS.fullmatch(text):
        return _is_random_word(text)
    has_letter = any(sign.isalpha() for sign in text)
    has_other = any(sign.isdigit() or not sign.isalnum() for sign in text)
    return has_letter and has_other and " " not in text


def _is_known_harmless(text: str) -> bool:
    is_template = "{" in text or "%s" in text
    return is_template or bool(_TECHNICAL_TERM.fullmatch(text) or _ADDRESS.fullmatch(text))


def _is_random_word(text: str) -> bool:
    if len(text) < _LONG_WORD_LENGTH or _WORD_SEPARATOR.search(text):
        return False
    return _entropy_per_sign(text) >= _MIN_ENTROPY_BITS


def _entropy_per_sign(text: str) -> float:
    """Shannon's entropy in bits per character."""
    shares = [count / len(text) for count in Counter(text).values()]
    return -sum(share * math.log2(share) for share in shares)


def find_secrets(source: str, first: int, last: int) -> Iterator[str]:
    """Every text literal on the lines ``first`` to ``last`` of ``source`` that looks like a secret."""
    for node in ast.walk(syntax.parse(source)):
        if not isinstance(node, ast.Constant) or not first <= node.lineno <= last:
            continue
        match node.value:
            case str() as text:
                pass
            case bytes() as data:
                text = data.decode("latin-1")
            case _:
                continue
        if looks_like_a_secret(text):
            yield text
