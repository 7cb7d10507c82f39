"""What a new flow is made of: the request, the repo it is for, and what of its files goes along."""

import sys
from pathlib import Path

import typer

from blocks.cli import output, workspace
from blocks.cli.client import Client
from blocks.cli.errors import Failure
from blocks.format import work_tree
from blocks.format.limits import KIB, MAX_REQUEST_BYTES
from blocks.format.work_tree import CollectedFiles

STANDARD_INPUT = Path("-")
_MOST_READ = 16 * MAX_REQUEST_BYTES


def read_request(path: Path) -> str:
    """The feature request, refused before anything is sent where the service would refuse it."""
    try:
        # A device has no end.
        if path == STANDARD_INPUT:
            raw = sys.stdin.buffer.read(_MOST_READ)
        else:
            with path.open("rb") as file:
                raw = file.read(_MOST_READ)
    except OSError as error:
        raise Failure(
            f"{path} cannot be read: {error.strerror}",
            cure="Name a Markdown file with --input.",
            code="flow:no-input",
        ) from error
    # The limit counts bytes as sent, so it is checked before decoding.
    if len(raw) > MAX_REQUEST_BYTES:
        raise Failure(
            f"{path} has {len(raw):,} bytes{' or more' * (len(raw) == _MOST_READ)}; at most "
            f"{MAX_REQUEST_BYTES:,} ({MAX_REQUEST_BYTES // KIB} KB) are accepted.",
            cure="Split it into several features, and leave source code to the context.",
            code="flow:request-too-large",
        )
    try:
        # Editors on Windows put a byte order mark first.
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Failure(
            f"{path} is not UTF-8 (byte {error.start}).", cure="Save it as UTF-8.", code="request:not-utf8"
        ) from error
    if not text.strip():
        raise Failure(
            f"{path} is empty.",
            cure="Describe what the block shall do: inputs, outputs, rules, an example.",
            code="flow:empty-request",
        )
    return text


def choose_repo(client: Client, here: workspace.Workspace, asked: str) -> str:
    """The repo: as asked, as configured, as the token is bound, else the name of the git work tree."""
    if asked and here.repo and asked != here.repo:
        _confirm_other_repo(here.repo, asked)
    if asked or here.repo:
        return asked or here.repo
    # Most tokens are bound to one repo, and then there is nothing to ask.
    bound = client.get("whoami/")["repo"]
    if bound:
        return str(bound)
    root = work_tree.find_git_root(Path.cwd())
    if root is None:
        raise Failure(
            "No repo is named.", cure="Use --repo, or run `blocks init` in the repo.", code="cli:no-repo"
        )
    # The service's names of repos have no capital letters.
    return root.name.lower()


def _confirm_other_repo(own: str, asked: str) -> None:
    """Ask before the source of one repo is sent under the name of another; where nobody can be asked, say it.

    Raises ``Failure`` where the person does not agree.
    """
    said = f"This is the repo {own} by its .blocks/config.yml; its source is sent as that of {asked}."
    output.print_warning(said)
    if not output.can_ask() or typer.confirm("Send it?", err=True):
        return
    raise Failure(
        "Nothing was sent.", cure=f"Leave --repo out, or go to the folder of {asked}.", code="cli:other-repo"
    )


def describe_context(collected: CollectedFiles) -> str:
    """What goes along, and what does not, in one line."""
    size = f"{collected.size / KIB:,.0f} KB"
    sentence = f"Sent {len(collected.files)} files of this repo as context ({size})."
    left_out = collected.describe_left_out()
    return f"{sentence} Left out: {left_out}." if left_out else sentence
