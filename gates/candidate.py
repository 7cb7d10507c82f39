"""What is known of a candidate before anything of it runs: its name, its sizes, whether its files parse."""

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
from gates.base import Candidate, Finding, Policy
from gates.harness.block_lines import MAX_PRIVATE_MODULES

MAX_FILE_BYTES = 256 << 10
_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}\Z")
# Modules that the harness and its tools import: a block of that name would stand in for one of them.
_RESERVED_NAMES = {
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
    found = [*_check_name(candidate.name), *_check_private_names(candidate)]
    for path, text in candidate.files.items():
        found += _check_file(path, text)
    return tuple(found)


def _check_name(name: str) -> list[Finding]:
    found = []
    shadows = name in _RESERVED_NAMES or name in sys.stdlib_module_names
    if shadows or keyword.iskeyword(name) or not _NAME.match(name):
        message = f"{name!r} cannot be a module name: it is malformed or shadows another module"
        found.append(Finding("block-name", message))
    if name.startswith(("test_", "_")):
        found.append(Finding("block-name", f"{name!r} would be taken for a test file"))
    return found


def _check_private_names(candidate: Candidate) -> list[Finding]:
    """A private module must not stand in for any other module, wherever the block is imported."""
    found = []
    for name in candidate.private_modules:
        if not _NAME.match(name) or not name.startswith(f"{candidate.name}_"):
            message = f"{name!r} is not a name of a private module: it begins with {candidate.name}_"
            found.append(Finding("private-module", message, path=f"{name}.py"))
    if len(candidate.private_modules) > MAX_PRIVATE_MODULES:
        message = f"a block has at most {MAX_PRIVATE_MODULES} private modules"
        found.append(Finding("private-module", message))
    return found


def _check_file(path: str, text: str) -> list[Finding]:
    if len(text.encode("utf-8", "surrogatepass")) > MAX_FILE_BYTES:
        return [Finding("size", f"longer than {MAX_FILE_BYTES >> 10} KB", path=path)]
    if path.endswith(".py"):
        return _check_python(path, text)
    return []


def _check_python(path: str, text: str) -> list[Finding]:
    try:
        # Python obeys a coding line, the scanners read UTF-8: with another encoding each would see another
        # program.
        encoding, _ = tokenize.detect_encoding(io.BytesIO(text.encode()).readline)
        if encoding != "utf-8":
            message = "declares another encoding than UTF-8, or starts with a byte order mark"
            return [Finding("encoding", message, path=path, line=1)]
        syntax.parse(text)
    except SyntaxError as error:
        return [Finding("syntax", f"{error.msg}", path=path, line=error.lineno or 0)]
    except (ValueError, RecursionError, MemoryError) as error:
        return [Finding("syntax", f"cannot be parsed: {type(error).__name__}", path=path)]
    if not text.strip():
        return [Finding("empty", "the file is empty", path=path)]
    return []


def parse_contract(candidate: Candidate) -> Mapping[str, Any] | None:
    """The parsed contract, or ``None`` where it is not a JSON object."""
    try:
        value = json.loads(candidate.contract)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def read_capabilities(candidate: Candidate) -> dict[str, str]:
    """The capabilities that the contract declares, each with its reason; none where it is not sound."""
    declared = (parse_contract(candidate) or {}).get("capabilities")
    if not isinstance(declared, dict):
        return {}
    return {str(name): str(reason) for name, reason in declared.items()}


def list_declared_capabilities(candidate: Candidate) -> frozenset[str]:
    """The names of the capabilities that the contract declares."""
    return frozenset(read_capabilities(candidate))


def list_granted_capabilities(candidate: Candidate, policy: Policy) -> frozenset[str]:
    """What a candidate may do: contract, plan, organisation and repo all name it."""
    granted = list_declared_capabilities(candidate) & policy.capabilities
    if candidate.planned_capabilities is not None:
        granted &= candidate.planned_capabilities
    return granted


def compute_digest(candidate: Candidate) -> str:
    """SHA-256 over names and texts, as hexadecimal.

    It seeds every draw of the harness, so that the same block is judged the same way again.
    """
    hashed = hashlib.sha256()
    for path, text in sorted(candidate.files.items()):
        for part in (path.encode(), text.encode("utf-8", "surrogatepass")):
            # The length in front keeps "ab" + "c" and "a" + "bc" apart.
            hashed.update(len(part).to_bytes(8, "big") + part)
    return hashed.hexdigest()
