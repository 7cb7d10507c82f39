"""Password rules and hashing."""

import hashlib
import hmac
from collections.abc import Callable

Rule = Callable[[str], bool]

_RULES: dict[str, Rule] = {
    "length": lambda password: len(password) >= 8,
    "digit": lambda password: any(char.isdigit() for char in password),
    "upper": lambda password: any(char.isupper() for char in password),
    "lower": lambda password: any(char.islower() for char in password),
}


def check(password: str) -> list[str]:
    """Names of the rules that ``password`` breaks, in their order."""
    return [name for name, rule in _RULES.items() if not rule(password)]


def hash_password(password: str, salt: bytes, iterations: int = 1000) -> str:
    """PBKDF2 with SHA-256 as ``iterations$salt$hash``, in hexadecimal."""
    digest = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, iterations)
    return f"{iterations}${salt.hex()}${digest.hex()}"


def verify(password: str, stored: str) -> bool:
    """Whether ``password`` is the one of ``stored``; ``False`` for text of another form."""
    try:
        iterations, salt, _ = stored.split("$")
        expected = hash_password(password, bytes.fromhex(salt), int(iterations))
    except ValueError:
        return False
    return hmac.compare_digest(expected, stored)
