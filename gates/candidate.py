"""What can be said of a candidate before anything of it runs: its name, its sizes, whether its files parse."""

import hashlib
import io
import json
import keyword
import re
import sys
import tokenize
from collections.abc import Mapping
from typing import Any

from gates import syntax
from gates.base import Candidate, Finding

MAX_FILE_BYTES = 256 << 10
_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}\Z")
_RESERVED = {
    "gates",
    "pytest",
    "coverage",
    "conftest",
    "sitecustomize",
    "usercustomize",
    "jsonschema",
    "attr",
    "attrs",
    "setup",
    "start",
}


def find_problems(candidate: Candidate) -> tuple[Finding, ...]:
    """Why a candidate cannot be judged at all; empty where it can."""
    found: list[Finding] = []
    name = candidate.name
    if (
        not _NAME.match(name)
        or keyword.iskeyword(name)
        or name in _RESERVED
        or name in sys.stdlib_module_names
    ):
        found.append(
            Finding(
                "block-name", f"{name!r} is no free module name: it is malformed or shadows another module"
            )
        )
    if name.startswith(("test_", "_")):
        found.append(Finding("block-name", f"{name!r} would be taken for a test file"))
    for path, text in candidate.files.items():
        if len(text.encode("utf-8", "surrogatepass")) > MAX_FILE_BYTES:
            found.append(Finding("size", f"longer than {MAX_FILE_BYTES >> 10} KB", path=path))
        elif path.endswith(".py"):
            found += _find_unreadable(path, text)
    return tuple(found)


def _find_unreadable(path: str, text: str) -> list[Finding]:
    try:
        # Python would obey a coding line where the scanners read UTF-8: each would see another program.
        if tokenize.detect_encoding(io.BytesIO(text.encode()).readline)[0] != "utf-8":
            return [
                Finding(
                    "encoding",
                    "declares another encoding than UTF-8, or starts with a byte order mark",
                    path=path,
                    line=1,
                )
            ]
        syntax.parse(text)
    except SyntaxError as error:
        return [Finding("syntax", f"{error.msg}", path=path, line=error.lineno or 0)]
    except (ValueError, RecursionError, MemoryError) as error:
        return [Finding("syntax", f"cannot be parsed: {type(error).__name__}", path=path)]
    if not text.strip():
        return [Finding("empty", "the file is empty", path=path)]
    return []


def parse_contract(candidate: Candidate) -> Mapping[str, Any] | None:
    """The parsed contract, or ``None`` where it is no JSON object."""
    try:
        value = json.loads(candidate.contract)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def compute_digest(candidate: Candidate) -> str:
    """SHA-256 over names and texts, as hexadecimal: seeds every draw, so that the same block is judged the same way again."""
    mixed = hashlib.sha256()
    for path, text in sorted(candidate.files.items()):
        for part in (path.encode(), text.encode("utf-8", "surrogatepass")):
            mixed.update(len(part).to_bytes(8, "big") + part)
    return mixed.hexdigest()
