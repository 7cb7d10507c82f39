"""Secrets in text found by detect-secrets and replaced before anything leaves for a provider.

Its detectors are called directly: its scanner keeps settings in module globals, which threads of a worker would share,
and may ask the vendors whether a found key is live.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class
from detect_secrets.plugins.base import BasePlugin, RegexBasedDetector
from detect_secrets.plugins.high_entropy_strings import HighEntropyStringsPlugin
from detect_secrets.plugins.keyword import REGEX_BY_FILETYPE, KeywordDetector
from detect_secrets.util.filetype import FileType, determine_file_type

MARK = "[REDACTED]"

_PRIVATE_KEY = re.compile(
    r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY[A-Z0-9 ]*-----.*?(?:-----END [A-Z0-9 ]*-----|\Z)", re.DOTALL
)
# As in shells, Dockerfiles and tables of settings; what refers to a value instead of being one is left alone.
_ASSIGNED = re.compile(
    r"\b([A-Z0-9_]*(?:PASSWORD|PASSWD|SECRET|TOKEN|API_?KEY|ACCESS_KEY|PRIVATE_KEY|CREDENTIALS)[A-Z0-9_]*[ \t]*[=:][ \t]*[\"']?)"
    r"(?!\[REDACTED\])([^\s\"'`$<>{}()\[\]|,;]{8,})(?=[\s\"'`,;|]|$)"
)
_BEARER = re.compile(
    r"(?i)(\bauthorization[\"']?[ \t]*[:=][ \t]*[\"']?(?:bearer|basic|token)[ \t]+)([A-Za-z0-9._~+/=-]{12,})"
)
_URL_PASSWORD = re.compile(r"(?<=://)([^\s/:@\"']+):([^\s/@\"']+)(?=@)")
# An address is no secret, and a key block is handled whole above instead of by its first line.
_LEFT_OUT = {"IPPublicDetector", "PrivateKeyDetector"}


def _load_detectors() -> list[BasePlugin]:
    # The mapping is annotated as one of abstract classes; each of its members is concrete.
    known: dict[str, Any] = dict(get_mapping_from_secret_type_to_class())
    return [detector() for _, detector in sorted(known.items()) if detector.__name__ not in _LEFT_OUT]


_DETECTORS = _load_detectors()


def redact_file(path: str, text: str) -> tuple[str, int]:
    """``text`` with every found secret replaced by ``[REDACTED]``, and how many there were."""
    text, keys = _PRIVATE_KEY.subn(MARK, text)
    text, passwords = _URL_PASSWORD.subn(rf"\1:{MARK}", text)
    text, assigned = _ASSIGNED.subn(rf"\1{MARK}", text)
    text, bearers = _BEARER.subn(rf"\1{MARK}", text)
    kind = determine_file_type(path)
    lines, found = [], keys + passwords + assigned + bearers
    for line in text.split("\n"):
        # A secret is replaced wherever it stands in its line.
        for secret in _find_secrets(kind, line):
            if secret in line:
                line = line.replace(secret, MARK)  # noqa: PLW2901 - the line is rewritten step by step
                found += 1
        lines.append(line)
    return "\n".join(lines), found


def redact_text(text: str, written: str = "") -> tuple[str, int]:
    """As ``redact_file``, for a feature request or the findings of gates.

    What stands in ``written`` stays: text that a model wrote itself tells it nothing new, and it has to recognise it.
    """
    lines, found = [], 0
    clean, keys = _PRIVATE_KEY.subn(MARK, text)
    for line in clean.split("\n"):
        done, count = redact_file("request.md", line)
        if count and line.strip() in written:
            done, count = line, 0
        lines.append(done)
        found += count
    return "\n".join(lines), keys + found


@lru_cache(maxsize=1 << 14)
def _find_secrets(kind: FileType, line: str) -> tuple[str, ...]:
    """What in ``line`` of a file of ``kind`` looks like a secret, the longest first, for one may contain another."""
    if len(line) < 8:
        return ()
    found = {
        secret
        for detector in _DETECTORS
        for secret in _find_secrets_with(detector, kind, line)
        if len(secret) >= 4 and MARK not in secret
    }
    return tuple(sorted(found, key=lambda secret: (-len(secret), secret)))


def _find_secrets_with(detector: BasePlugin, kind: FileType, line: str) -> Iterator[str]:
    if isinstance(detector, KeywordDetector):
        yield from detector.analyze_string(line, REGEX_BY_FILETYPE.get(kind))
    elif isinstance(detector, HighEntropyStringsPlugin):
        for text in detector.analyze_string(line):
            if detector.calculate_shannon_entropy(text) > detector.entropy_limit:
                yield text
    elif isinstance(detector, RegexBasedDetector):
        for pattern in detector.denylist:
            for match in pattern.finditer(line):
                yield _extract_secret(match)


def _extract_secret(match: re.Match[str]) -> str:
    """The part of a match that is the secret. Some patterns group only a token's prefix: then the whole match counts."""
    longest = max((group for group in match.groups() if group), key=len, default="")
    return longest if len(longest) >= 8 else match[0].strip(" \t\"'=:")
