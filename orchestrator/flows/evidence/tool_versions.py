"""What made a block and judged it, by version: this project, Python, and the tools behind the gates."""

import platform
from functools import cache
from importlib import metadata

from blocks.format.canonical import sha256
from gates.sandbox.stamp import PINS

_PROJECT = "multi-llm-orchestrator"
# What judged the block or talked to the models; other packages had no part in it.
_TOOLS = (
    "anthropic",
    "bandit",
    "coverage",
    "cryptography",
    "detect-secrets",
    "google-genai",
    "jsonschema",
    "openai",
    "pytest",
    "ruff",
)
SANDBOX_LOCK = "gates/sandbox/requirements.txt"


@cache
def list_versions() -> dict[str, str]:
    """Name to version, as installed; what is not installed is left out."""
    return {"python": platform.python_version()} | {
        name: found for name in (_PROJECT, *_TOOLS) if (found := _find_version(name))
    }


@cache
def hash_sandbox_lock() -> str:
    """SHA-256 of the list that pins what runs inside the sandbox."""
    return sha256(PINS.read_bytes())


def own_version() -> str:
    """The version of this project."""
    return list_versions().get(_PROJECT, "unknown")


def _find_version(name: str) -> str:
    try:
        return metadata.version(name)
    # Which SDK is installed depends on the settings; a missing one took no part.
    except metadata.PackageNotFoundError:
        return ""
