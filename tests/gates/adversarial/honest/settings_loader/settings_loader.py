"""Reads settings from environment variables, with types and defaults."""

import os
from collections.abc import Mapping
from dataclasses import dataclass


class SettingsError(Exception):
    """A variable that is missing or malformed."""


@dataclass(frozen=True)
class Settings:
    host: str
    port: int
    debug: bool
    tags: tuple[str, ...]


_TRUE = frozenset({"1", "true", "yes", "on"})


def _read(variables: Mapping[str, str]) -> Settings:
    try:
        host = variables["APP_HOST"]
    except KeyError as error:
        raise SettingsError("APP_HOST is missing") from error
    port = variables.get("APP_PORT", "8000")
    if not port.isdecimal() or not 0 < int(port) < 65536:
        raise SettingsError(f"APP_PORT: {port!r} is no port")
    debug = variables.get("APP_DEBUG", "").lower() in _TRUE
    tags = tuple(tag.strip() for tag in variables.get("APP_TAGS", "").split(",") if tag.strip())
    return Settings(host, int(port), debug, tags)


def load_settings(overrides: dict[str, str]) -> Settings:
    """The settings of this process; ``overrides`` come first."""
    return _read({**os.environ, **overrides})
