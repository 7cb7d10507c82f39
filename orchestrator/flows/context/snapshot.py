"""The repo as the flow carries it: its files as bytes, and the world that they make for the gates."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from gates import environments
from orchestrator.flows.context.bundle import secret_by_name

CONFIG = ".blocks/config.yml"


@dataclass(frozen=True, slots=True)
class World:
    """What lies around a block in the sandbox: the repo's files, and the folder of the packages that it names."""

    files: Mapping[str, bytes] = field(repr=False)
    environment: Path | None


def files(context: Mapping[str, Any]) -> dict[str, bytes]:
    """Path to content of what the caller sent: texts, or ``{"base64": ...}`` for other bytes."""
    return {str(path): _content(content) for path, content in dict(context.get("files") or {}).items()}


def _content(content: Any) -> bytes:
    if isinstance(content, Mapping):
        return base64.b64decode(str(content.get("base64", "")))
    return str(content).encode("utf-8", "replace")


def world(context: Mapping[str, Any]) -> World:
    """The repo for the gates. Installs the packages that ``.blocks/config.yml`` names under ``dependencies``; raises
    ``EnvironmentRefused`` and ``EnvironmentUnavailable``."""
    found = files(context)
    # Tests print what they like, and findings reach a model: what exists to hold secrets stays out here too.
    shown = {path: content for path, content in found.items() if not secret_by_name(path) and path != CONFIG}
    return World(shown, environments.build(dependencies(found.get(CONFIG, b""))))


def dependencies(config: bytes) -> tuple[str, ...]:
    """The lines under ``dependencies`` of a configuration; none where there is no such key."""
    try:
        read = yaml.safe_load(config)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise environments.EnvironmentRefused(f"{CONFIG} is not YAML.") from error
    named = read.get("dependencies") if isinstance(read, dict) else None
    if named is None:
        return ()
    if not isinstance(named, list) or not all(isinstance(line, str) for line in named):
        raise environments.EnvironmentRefused(f"dependencies in {CONFIG} is not a list of lines.")
    return tuple(named)
