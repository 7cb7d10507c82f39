"""What made a block and judged it, by version: this project, Python, and the tools behind the gates."""

import platform
from functools import cache
from importlib import metadata

from gates.sandbox.stamp import PINS
from orchestrator.flows.evidence import canonical

_PROJECT = "multi-llm-orchestrator"
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
def versions() -> dict[str, str]:
    """Name to version, as installed beside us; what is not installed is left out."""
    return {"python": platform.python_version()} | {
        name: found for name in (_PROJECT, *_TOOLS) if (found := _version(name))
    }


@cache
def sandbox_lock() -> str:
    """SHA-256 of the list that pins what runs inside the sandbox."""
    return canonical.sha256(PINS.read_bytes())


def builder_version() -> str:
    """The version of this project."""
    return versions().get(_PROJECT, "unknown")


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""
