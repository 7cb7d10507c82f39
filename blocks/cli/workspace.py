"""Where a command runs: the folder with .blocks/, its configuration, the address of the service, the
token.
"""

import os
from dataclasses import dataclass
from pathlib import Path

import yaml

from blocks.cli.errors import Exit, Failure
from blocks.format.selection import BLOCKS_FOLDER, CONFIG
from blocks.format.work_tree import find_git_root

DEFAULT_URL = "http://127.0.0.1:8000"


@dataclass(frozen=True, slots=True)
class Workspace:
    """``root`` holds ``.blocks``, or would. ``repo`` is empty where nothing names one."""

    root: Path
    repo: str
    url: str
    family: str

    @property
    def blocks(self) -> Path:
        """The folder of configuration, catalog and schemas."""
        return self.root / BLOCKS_FOLDER


def find_workspace(start: Path | None = None) -> Workspace:
    """The nearest folder upwards with .blocks/config.yml, else the git work tree, else the current folder."""
    here = (start or Path.cwd()).resolve()
    # A repo of several services has a .blocks in each of their folders: the nearest one counts.
    for folder in (here, *here.parents):
        if (folder / CONFIG).is_file():
            found = _read_config(folder / CONFIG)
            break
    else:
        folder, found = find_git_root(here) or here, {}
    return Workspace(
        root=folder,
        repo=str(found.get("repo") or ""),
        # The environment wins, so that a job can try another service without changing a file.
        url=(os.environ.get("BLOCKS_API_URL") or str(found.get("url") or "") or DEFAULT_URL).rstrip("/"),
        family=str(found.get("block_family") or ""),
    )


def _read_config(path: Path) -> dict[str, object]:
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise Failure(
            f"{path} cannot be read: {error}",
            cure="Fix the file, or delete it and run `blocks init`.",
            code="cli:bad-config",
        ) from error
    if found is not None and not isinstance(found, dict):
        raise Failure(
            f"{path} is not a list of keys and values.",
            cure="Delete it and run `blocks init`.",
            code="cli:bad-config",
        )
    # Refused even where BLOCKS_TOKEN is set: the file is committed, so the token has leaked already.
    if found and "token" in found:
        raise Failure(
            f"{path} holds a token; a file that is committed must not.",
            cure="Delete the line, revoke the token, and set a new one as BLOCKS_TOKEN.",
            code="cli:token-in-config",
        )
    return found or {}


def read_token() -> str:
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
