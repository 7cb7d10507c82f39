"""Secrets in text found by detect-secrets and replaced before anything leaves for a provider.

Its detectors are called directly: its scanner keeps settings in module globals, which threads of a worker would share,
and may ask the vendors whether a found key is live.
"""

import re
from collections.abc import Iterator

from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class
from detect_secrets.plugins.base import BasePlugin
from detect_secrets.plugins.high_entropy_strings import HighEntropyStringsPlugin
from detect_secrets.plugins.keyword import REGEX_BY_FILETYPE, KeywordDetector
from detect_secrets.util.filetype import determine_file_type

MARK = "[REDACTED]"

_PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY[A-Z0-9 ]*-----.*?(?:-----END [A-Z0-9 ]*-----|\Z)", re.DOTALL)
_URL_PASSWORD = re.compile(r"(?<=://)([^\s/:@\"']+):([^\s/@\"']+)(?=@)")
# An address is no secret, and a key block is handled whole above instead of by its first line.
_LEFT_OUT = {"IPPublicDetector", "PrivateKeyDetector"}
_DETECTORS: list[BasePlugin] = [
    detector() for _, detector in sorted(get_mapping_from_secret_type_to_class().items()) if detector.__name__ not in _LEFT_OUT
]


def redact(path: str, text: str) -> tuple[str, int]:
    """``text`` with every found secret replaced by ``[REDACTED]``, and how many there were."""
    text, keys = _PRIVATE_KEY.subn(MARK, text)
    text, passwords = _URL_PASSWORD.subn(rf"\1:{MARK}", text)
    lines, found = [], keys + passwords
    for line in text.split("\n"):
        # A secret is replaced wherever it stands in its line; the longest first, for one may contain another.
        for secret in sorted(set(_secrets(path, line)), key=lambda secret: (-len(secret), secret)):
            if secret in line:
                line = line.replace(secret, MARK)  # noqa: PLW2901 - the line is rewritten step by step
                found += 1
        lines.append(line)
    return "\n".join(lines), found


def _secrets(path: str, line: str) -> Iterator[str]:
    if len(line) < 8:
        return
    for detector in _DETECTORS:
        if isinstance(detector, KeywordDetector):
            found = detector.analyze_string(line, REGEX_BY_FILETYPE.get(determine_file_type(path)))
        else:
            found = detector.analyze_string(line)
        for secret in found:
            if not secret or len(secret) < 4 or MARK in secret:
                continue
            if (
                isinstance(detector, HighEntropyStringsPlugin)
                and detector.calculate_shannon_entropy(secret) <= detector.entropy_limit
            ):
                continue
            yield secret
