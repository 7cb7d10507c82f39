"""`blocks init`: the folders and the configuration of a repo. Running it again changes nothing."""

import re
from pathlib import Path
from typing import Annotated

import typer
import yaml

from blocks.cli import output
from blocks.cli.errors import Failure
from blocks.cli.plain_files import refuse_links, write_file
from blocks.format.limits import KIB
from blocks.format.plain_files import read_plain_file
from blocks.format.selection import BLOCKS_FOLDER, CONFIG
from blocks.format.work_tree import find_git_root

_MOST_ATTRIBUTES = 64 * KIB
_ATTRIBUTES = (b"catalog/** -text", b"schemas/** -text")
app = typer.Typer(add_completion=False, rich_markup_mode=None)
_CONFIG = """\
# What `blocks` knows about this repo. Commit this file; a token never belongs in it (set BLOCKS_TOKEN
# instead).
{values}# url: http://127.0.0.1:8000     # where the orchestrator runs; BLOCKS_API_URL wins over it
# block_family: compliance       # the family of blocks that name none
"""


def prepare_repo(root: Path, repo: str, url: str) -> list[str]:
    """Make what is missing under ``root``; the paths that were made."""
    made = []
    refuse_links(root, root / CONFIG)
    for folder in ("catalog", "schemas"):
        keep = root / BLOCKS_FOLDER / folder / ".gitkeep"
        refuse_links(root, keep)
        if keep.parent.exists() and not keep.parent.is_dir():
            raise Failure(
                f"{keep.parent} is not a folder.", cure="Move it away, then run `blocks init` again."
            )
        if not keep.parent.is_dir():
            made.append(f"{BLOCKS_FOLDER}/{folder}/")
            keep.parent.mkdir(parents=True)
            # git does not keep empty folders.
            keep.touch()
    if _keep_line_ends(root):
        made.append(f"{BLOCKS_FOLDER}/.gitattributes")
    config = root / CONFIG
    if not config.exists():
        values = {"repo": repo, "url": url} if url else {"repo": repo}
        # By a YAML library, because a name such as `on` or `1.0` needs quotes.
        text = _CONFIG.format(values=yaml.safe_dump(values, sort_keys=False))
        write_file(root, config, text.encode())
        made.append(CONFIG)
    return made


def _keep_line_ends(root: Path) -> bool:
    """Keep git from converting the line ends of blocks, after which no digest would be right; whether that
    was missing.
    """
    path = root / BLOCKS_FOLDER / ".gitattributes"
    refuse_links(root, path)
    try:
        found = read_plain_file(path, _MOST_ATTRIBUTES)
    except FileNotFoundError:
        found = b""
    except OSError as error:
        raise Failure(
            f"{path} cannot be read: {error.strerror}.",
            cure="Make it a plain file, or delete it; then run `blocks init` again.",
            code="cli:bad-config",
        ) from error
    missing = [line for line in _ATTRIBUTES if line not in found.splitlines()]
    if missing:
        # Last, because the last line that matches a path counts.
        start = found if found.endswith(b"\n") or not found else found + b"\n"
        write_file(root, path, start + b"".join(line + b"\n" for line in missing))
    return bool(missing)


@app.command()
def init(
    here_only: Annotated[
        bool,
        typer.Option("--here", help="Prepare this folder and not the whole repo; only it is sent then."),
    ] = False,
    repo: Annotated[
        str, typer.Option(help="The repo's name at the orchestrator; the folder's name by default.")
    ] = "",
    url: Annotated[str, typer.Option(help="Where the orchestrator runs, kept in the configuration.")] = "",
    as_json: output.AsJson = False,
) -> None:
    """Prepare this repo: .blocks/config.yml, .blocks/catalog/, .blocks/schemas/."""
    here = Path.cwd()
    root = here if here_only else find_git_root(here) or here
    # The service takes lower-case letters, digits, dots, dashes and underscores.
    name = repo or re.sub(r"[^a-z0-9._-]+", "-", root.name.lower()).strip("-._") or "repo"
    made = prepare_repo(root, name, url)
    if as_json:
        output.print_json({"root": str(root), "made": made})
    elif made:
        output.print_line(f"Prepared {root}: {', '.join(made)}")
        output.print_line("Next: export BLOCKS_TOKEN=..., then blocks flow run --input feature_request.md")
    else:
        output.print_line(f"{root} is prepared already; nothing changed.")
