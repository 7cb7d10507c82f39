"""Decide whether a value can be a secret.

Most values behind names such as ``token`` are words, references, addresses or numbers.
"""

import math
import re
from collections import Counter
from typing import Final

SHORTEST_SECRET: Final = 6
# Words joined by separators, perhaps with a short number: access_token, expected_token_value, user_2.
_WORDS: Final = re.compile(
    r"[ _.:/*-]*[A-Za-z]+(?:[ _.:/*-]+[A-Za-z]+)*[ _.:/*-]*|[A-Za-z]+(?:[_-][A-Za-z]+)*[_-]\d{1,2}"
)
# Three words or more, as people choose a password that they can remember.
_PASSPHRASE: Final = re.compile(r"[A-Za-z]{3,}(?:[- ][A-Za-z]{3,}){2,}")
# An identifier: parts with at most a short number, joined as languages and clouds join them.
_IDENTIFIER: Final = re.compile(r"[A-Za-z]+\d{0,2}(?:(?:_|::|\.)[A-Za-z]+\d{0,2})+")
# A name of the same kind, as in a list of fields: password1, new_password2.
_NAME: Final = re.compile(r"(?i)[a-z_-]*(?:passwor[dt]|passwd|pwd|secret|token|key)[a-z_-]*\d{0,2}")
_NUMBER: Final = re.compile(r"[\d.,_:+-]+(?:[a-z]{1,3})?")
# An algorithm, a format or a version ends in a number and is a word all the same.
_TECHNICAL: Final = re.compile(
    r"(?:aes|argon|base|blake|bcrypt|ecdsa|ed|es|hs|http|iso|ldap|md|oauth|pbkdf|ps|"
    r"rfc|rs|rsa|scrypt|sha|tls|utf|v|x|oidc|"
    r"saml|p|secp|curve)[-_ ]?\d+[\w.-]{0,12}",
    re.IGNORECASE,
)
_DIGEST: Final = re.compile(
    r"sha(?:1|224|256|384|512)[-:][A-Za-z0-9+/=]+|[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
)
# What refers to a value: a variable, a template, a call, an attribute.
_REFERENCE: Final = re.compile(
    r"\$\w+|\$\{.*|\$\(.*|\{\{.*|\{[\w.]*\}|<[^<>]*>|%\(?\w*\)?s?|\[[\w. -]*\]|[A-Za-z_][\w.]*[(\[].*"
    r"|[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+"
    r"|&\w+|\*\w+|vault:.*|ref\+.*|arn:aws:.*|op://.*|!\w+.*",
    re.DOTALL,
)
_ADDRESS: Final = re.compile(r"[a-z][a-z0-9+.-]*://\S*", re.IGNORECASE)
_FILE: Final = re.compile(r"(?:~|\.{1,2})?/[\w@.+-]+(?:/[\w@.+-]+)*/?|[\w-]+(?:/[\w.-]+)*\.[a-z]{1,5}")
_PLACEHOLDER: Final = re.compile(
    r"(?i)\byour\b|\byour[_-]|example|placeholder|change[_-]?me|redacted|dummy|\.\.\.|xxxx|\*\*\*|…"
)
_HEX: Final = re.compile(r"[0-9a-fA-F]+")
# Bits a sign. Prose in base64's alphabet has about 3.9 at this length, a random value of it 4.5 or more.
_RANDOM_BITS: Final = 4.2
_WORD_BITS: Final = 3.5
_LONG_WORD: Final = 20


def is_secret_value(text: str, *, password: bool = False) -> bool:
    """Whether ``text`` can be a secret: letters mixed with digits or signs, or a long word of high entropy.

    ``password``: the name says password and nothing else, which people choose shorter and simpler than keys.
    """
    value = text.strip()
    if len(value) < SHORTEST_SECRET or _is_harmless(value):
        return False
    if password and _PASSPHRASE.fullmatch(value):
        return True
    if _WORDS.fullmatch(value):
        separated = re.search(r"[ _.:/*-]", value) is not None
        return not separated and len(value) >= _LONG_WORD and entropy_bits(value) >= _WORD_BITS
    if re.search(r"\s", value):
        return password and len(value.split()) <= 3 and re.search(r"\d", value) is not None
    return _is_mixed(value)


def is_random(text: str, *, shortest: int = 32) -> bool:
    """Whether ``text`` looks drawn at random from letters of both cases and digits, under any name.

    A hexadecimal run is not enough: without a name that says so it is a digest, a commit or an id far more
    often.
    """
    if len(text) < shortest or _is_harmless(text) or _HEX.fullmatch(text):
        return False
    digits = sum(sign.isdigit() for sign in text)
    has_upper = any(sign.isupper() for sign in text)
    has_cases = has_upper and any(sign.islower() for sign in text)
    changes = len(re.findall(r"(?<=\d)[A-Za-z]|(?<=[A-Za-z])\d", text))
    wanted = _RANDOM_BITS if len(text) >= 24 else _WORD_BITS
    return has_cases and digits >= 3 and changes >= 4 and entropy_bits(text) >= wanted


def entropy_bits(text: str) -> float:
    """Shannon's entropy of ``text``, in bits a sign."""
    counts = Counter(text)
    return -sum(count / len(text) * math.log2(count / len(text)) for count in counts.values())


def _is_harmless(value: str) -> bool:
    if _NUMBER.fullmatch(value) or _TECHNICAL.fullmatch(value) or _DIGEST.fullmatch(value):
        return True
    if _ADDRESS.fullmatch(value) or _PLACEHOLDER.search(value) or _NAME.fullmatch(value):
        return True
    if value.startswith(("{", "(?", "$(", "${")) or _IDENTIFIER.fullmatch(value):
        return True
    if _FILE.fullmatch(value) and not _looks_drawn(value):
        return True
    # A quoted password may have a parenthesis in it; a call has its parenthesis behind a name and ends
    # with one.
    return _REFERENCE.fullmatch(value) is not None and (not _looks_drawn(value)) and _is_reference(value)


def _is_reference(value: str) -> bool:
    if "(" in value or "[" in value:
        return value.endswith((")", "]", ",", ":", ".", "(")) or ")." in value
    return True


def _looks_drawn(value: str) -> bool:
    runs = re.findall(r"[A-Za-z0-9]{12,}", value)
    return any(
        len(re.findall(r"\d", run)) >= 3 and len(re.findall(r"(?<=\d)[A-Za-z]", run)) >= 2 for run in runs
    )


def _is_mixed(value: str) -> bool:
    has_letter = any(sign.isalpha() for sign in value)
    has_other = any(sign.isdigit() or not sign.isalnum() for sign in value)
    return has_letter and has_other
