"""Tokens that were bound to an address by `blocks login`, in a file that only their owner reads."""

import json
import os
import stat
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from blocks.cli.errors import Exit, Failure
from blocks.cli.plain_files import write_file
from blocks.format.plain_files import read_plain_file

_MOST_BYTES = 1024 * 1024


def find_file() -> Path:
    """Where tokens are kept: below XDG_CONFIG_HOME, or ``~/.config``."""
    base = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(base) / "blocks" / "credentials.json"


def load_tokens() -> dict[str, str]:
    """Address to token; empty where nobody has logged in."""
    path = find_file()
    try:
        found = path.lstat()
        if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
            raise Failure(
                f"{path} is not a file that only you can read.",
                cure=f"Look at it, then `rm {path}` and `blocks login` again.",
                code="auth:open-credentials",
                exit_code=Exit.NOT_ALLOWED,
            )
        tokens = json.loads(read_plain_file(path, _MOST_BYTES).decode("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        raise Failure(
            f"{path} cannot be read: {error}",
            cure=f"`rm {path}`, then `blocks login` again.",
            code="auth:bad-credentials",
            exit_code=Exit.NOT_ALLOWED,
        ) from error
    if not isinstance(tokens, dict):
        return {}
    return {str(url): str(token) for url, token in tokens.items()}


def store_tokens(tokens: dict[str, str]) -> None:
    """Replace what is kept."""
    path = find_file()
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_file(path.parent, path, json.dumps(tokens, indent=2).encode() + b"\n", mode=0o600)


def require_safe_address(url: str) -> None:
    """Raise ``Failure`` for an address over which a token would travel in the open, or that is none."""
    _require_plain_address(url)
    if urlsplit(url).scheme == "https" or (urlsplit(url).scheme == "http" and is_this_machine(url)):
        return
    raise Failure(
        f"A token is not sent to {url}: over http everybody on the way could read it.",
        cure="Use an address that begins with https://. Only this machine may be http.",
        code="cli:insecure-url",
        exit_code=Exit.NOT_ALLOWED,
    )


def _require_plain_address(url: str) -> None:
    try:
        parts = urlsplit(url)
        is_plain = bool(parts.hostname) and (parts.port or 1) > 0 and url.isprintable() and " " not in url
    except ValueError:
        parts, is_plain = None, False
    # Never quoted: it may hold a password.
    if parts is not None and "@" in parts.netloc:
        raise Failure(
            "The address of the service has a user or a password in it.",
            cure="Leave it out; the token is in BLOCKS_TOKEN, or kept by `blocks login`.",
            code="cli:bad-config",
        )
    if not is_plain:
        raise Failure(
            "The address of the service cannot be used.",
            cure="Use one as https://host or https://host:port, in BLOCKS_API_URL or .blocks/config.yml.",
            code="cli:bad-config",
        )


def is_this_machine(url: str) -> bool:
    """Whether ``url`` leads to this machine, so that nobody is on the way."""
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
