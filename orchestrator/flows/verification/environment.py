"""What surrounds a block in the sandbox: the repo around it, and the packages that the repo names."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from blocks.format.config_file import read_config
from blocks.format.errors import FormatError
from blocks.format.secret_files import is_secret_file
from blocks.format.selection import CONFIG
from gates import environments


@dataclass(frozen=True, slots=True)
class BlockSurroundings:
    """What is around a block in the sandbox: the repo's files, and the folder of the packages that it names.

    ``dependencies_sha256`` is the digest of their pins; empty where there are none.
    """

    files: Mapping[str, bytes] = field(repr=False)
    environment: Path | None
    dependencies_sha256: str = ""


def build_surroundings(files: Mapping[str, bytes]) -> BlockSurroundings:
    """The repo's ``files`` for the gates. Installs the packages that ``.blocks/config.yml`` names under
    ``dependencies``; raises ``EnvironmentRefused`` and ``EnvironmentUnavailable``.
    """
    # Tests print what they like, and findings reach a model: what exists to hold secrets stays out here too.
    shown = {path: content for path, content in files.items() if not is_secret_file(path) and path != CONFIG}
    pins = read_dependencies(files.get(CONFIG, b""))
    return BlockSurroundings(shown, environments.build(pins), environments.digest_pins(pins))


def name_packages(files: Mapping[str, bytes]) -> tuple[str, ...]:
    """The names of the packages that the repo pins; none where its configuration cannot be read.

    Their modules often have the same names, with underscores.
    """
    try:
        pins = environments.parse_pins(read_dependencies(files.get(CONFIG, b"")))
    # The verify stage reads the same configuration and ends the flow with the cure.
    except environments.EnvironmentRefused:
        return ()
    return tuple(sorted({re.split(r"[=\[]", pin)[0].strip() for pin in pins}))


def read_dependencies(config: bytes) -> tuple[str, ...]:
    """The lines under ``dependencies`` of a configuration; none where there is no such key."""
    try:
        named = read_config(config).get("dependencies", "")
    except FormatError as error:
        raise environments.EnvironmentRefused(f"{CONFIG} {error.message}.") from error
    # The key without a value.
    if named == "":
        return ()
    if not isinstance(named, list) or not all(isinstance(line, str) for line in named):
        raise environments.EnvironmentRefused(f"dependencies in {CONFIG} is not a list of lines.")
    return tuple(named)
