"""Where a command runs: the folder with .blocks/, its configuration, the address of the service, the
token.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from blocks.cli import lazy_commands
from blocks.cli.credentials import load_tokens, require_safe_address
from blocks.cli.errors import Exit, Failure
from blocks.format.errors import FormatError
from blocks.format.plain_files import read_given_file, read_plain_file
from blocks.format.selection import BLOCKS_FOLDER, CONFIG
from blocks.format.work_tree import find_git_root

if TYPE_CHECKING:
    from blocks.format import config_file
else:
    # Brings a library for YAML, which help does not need.
    config_file = lazy_commands.import_lazily("blocks.format.config_file")

DEFAULT_URL = "http://127.0.0.1:8000"
_KEYS = ("repo", "url", "block_family")
_LONGEST_TOKEN = 4096


@dataclass(frozen=True, slots=True)
class Workspace:
    """``root`` holds ``.blocks``, or would. ``repo`` is empty where nothing names one.

    ``url_is_checked_out``: the address comes from a file of the repo, which somebody else may have written.
    """

    root: Path
    repo: str
    url: str
    family: str
    url_is_checked_out: bool = False

    @property
    def blocks(self) -> Path:
        """The folder of configuration, catalog and schemas."""
        return self.root / BLOCKS_FOLDER


def find_workspace(start: Path | None = None) -> Workspace:
    """The nearest folder upwards with .blocks/config.yml, else the git work tree, else the current folder."""
    here = (start or Path.cwd()).resolve()
    # A repo of several services has a .blocks in each of their folders: the nearest one counts.
    for folder in (here, *here.parents):
        if (folder / CONFIG).exists():
            _require_own_folder(folder, here)
            found = _read_config(folder / CONFIG)
            break
    else:
        folder, found = find_git_root(here) or here, {}
    # The environment wins, so that a job can try another service without changing a file.
    named, configured = os.environ.get("BLOCKS_API_URL") or "", found.get("url", "")
    return Workspace(
        root=folder,
        repo=found.get("repo", ""),
        url=(named or configured or DEFAULT_URL).rstrip("/"),
        family=found.get("block_family", ""),
        url_is_checked_out=not named and bool(configured),
    )


def _require_own_folder(folder: Path, here: Path) -> None:
    """Refuse the configuration of a folder above that belongs to another account, such as one in /tmp."""
    owner = folder.stat().st_uid
    if folder == here or owner in {os.geteuid(), here.stat().st_uid, 0}:
        return
    raise Failure(
        f"{folder / CONFIG} belongs to another account and would decide for {here}.",
        cure="Run `blocks init --here` in your own folder, or move the folder elsewhere.",
        code="cli:foreign-config",
    )


def _read_config(path: Path) -> dict[str, str]:
    try:
        found = config_file.read_config(read_plain_file(path, config_file.MOST_BYTES))
    except FormatError as error:
        raise _refuse_config(f"{path} {error.message}.") from error
    except OSError as error:
        raise _refuse_config(f"{path} cannot be read: {error.strerror}.") from error
    # Refused even where BLOCKS_TOKEN is set: the file is committed, so the token has leaked already.
    if "token" in found:
        raise Failure(
            f"{path} holds a token; a file that is committed must not.",
            cure="Delete the line, revoke the token, and set a new one as BLOCKS_TOKEN.",
            code="cli:token-in-config",
        )
    for name in _KEYS:
        if not isinstance(found.get(name, ""), str):
            raise _refuse_config(f"{name} in {path} is not a text.")
    return {name: str(found.get(name, "")) for name in _KEYS}


def _refuse_config(message: str) -> Failure:
    return Failure(message, cure="Fix the file, or delete it and run `blocks init`.", code="cli:bad-config")


def read_token(here: Workspace) -> str:
    """The token for ``here.url``: bound to it by the environment, or by `blocks login`.

    A file of the repo may say where the service is; it never decides where a token goes.
    """
    require_safe_address(here.url)
    token = _read_environment()
    # With BLOCKS_API_URL, or with neither, address and token come from the same hand.
    if token and not here.url_is_checked_out:
        return token
    if kept := load_tokens().get(here.url):
        return kept
    if token:
        raise Failure(
            f"{CONFIG} names {here.url}, and your token is not bound to that address.",
            cure=f"If it is the right one: `export BLOCKS_API_URL={here.url}`, "
            f"or `blocks login --url {here.url}`.",
            code="auth:unbound-token",
            exit_code=Exit.NOT_ALLOWED,
        )
    raise Failure(
        "No token: BLOCKS_TOKEN is not set.",
        cure="Set BLOCKS_TOKEN to the token of your repo, or keep it with `blocks login`; "
        "operators make them in the admin under Tokens.",
        code="auth:missing-token",
        exit_code=Exit.NOT_ALLOWED,
    )


def _read_environment() -> str:
    """BLOCKS_TOKEN, or the content of the file that BLOCKS_TOKEN_FILE names; empty where neither is set."""
    if value := os.environ.get("BLOCKS_TOKEN", "").strip():
        return value
    path = os.environ.get("BLOCKS_TOKEN_FILE")
    if not path:
        return ""
    try:
        return read_given_file(Path(path), _LONGEST_TOKEN).decode("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise Failure(
            f"BLOCKS_TOKEN_FILE cannot be read: {error}",
            code="auth:missing-token",
            exit_code=Exit.NOT_ALLOWED,
        ) from error
