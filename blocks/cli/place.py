"""Where a command runs: the folder with .blocks/, its configuration, the address of the service, the token."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import yaml

from blocks.cli.errors import Exit, Failure

DEFAULT_URL = "http://127.0.0.1:8000"
FOLDER = ".blocks"


@dataclass(frozen=True, slots=True)
class Place:
    """``root`` holds ``.blocks``, or would. ``repo`` is empty where nothing names one."""

    root: Path
    repo: str
    url: str
    family: str

    @property
    def blocks(self) -> Path:
        """The folder of configuration, catalog and schemas."""
        return self.root / FOLDER


def git_root(start: Path) -> Path | None:
    """The top of the git work tree around ``start``."""
    command = ["git", "-C", str(start), "rev-parse", "--show-toplevel"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return None
    return Path(found.stdout.rstrip("\n")) if found.returncode == 0 else None


def find(start: Path | None = None) -> Place:
    """The nearest folder upwards with .blocks/config.yml, else the git work tree, else the current folder."""
    here = (start or Path.cwd()).resolve()
    for folder in (here, *here.parents):
        if (folder / FOLDER / "config.yml").is_file():
            found = _read(folder / FOLDER / "config.yml")
            break
    else:
        folder, found = git_root(here) or here, {}
    return Place(
        root=folder,
        repo=str(found.get("repo") or ""),
        url=(os.environ.get("BLOCKS_API_URL") or str(found.get("url") or "") or DEFAULT_URL).rstrip("/"),
        family=str(found.get("block_family") or ""),
    )


def _read(path: Path) -> dict[str, object]:
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise Failure(
            f"{path} cannot be read: {error}",
            cure="Mend the file, or delete it and run `blocks init`.",
            code="cli:bad-config",
        ) from error
    if found is not None and not isinstance(found, dict):
        raise Failure(
            f"{path} is not a list of keys and values.",
            cure="Delete it and run `blocks init`.",
            code="cli:bad-config",
        )
    if found and "token" in found:
        raise Failure(
            f"{path} holds a token; a file that is committed is no place for one.",
            cure="Delete the line, revoke the token, and set a new one as BLOCKS_TOKEN.",
            code="cli:token-in-config",
        )
    return found or {}


def token() -> str:
    """BLOCKS_TOKEN, or the content of the file that BLOCKS_TOKEN_FILE names."""
    if value := os.environ.get("BLOCKS_TOKEN", "").strip():
        return value
    if path := os.environ.get("BLOCKS_TOKEN_FILE"):
        try:
            return Path(path).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise Failure(
                f"BLOCKS_TOKEN_FILE cannot be read: {error}",
                code="auth:missing-token",
                exit_code=Exit.NOT_ALLOWED,
            ) from error
    raise Failure(
        "No token: BLOCKS_TOKEN is not set.",
        cure="Set BLOCKS_TOKEN to the token of your repo; operators make them in the admin under Tokens.",
        code="auth:missing-token",
        exit_code=Exit.NOT_ALLOWED,
    )
