"""`blocks init`: the folders and the configuration of a repo. Running it again changes nothing."""

import re
from pathlib import Path
from typing import Annotated

import typer
import yaml

from blocks.cli import output, place

app = typer.Typer(add_completion=False, rich_markup_mode=None)
_CONFIG = """\
# What `blocks` knows of this repo. Commit this file; a token never belongs in it (set BLOCKS_TOKEN instead).
{values}# url: http://127.0.0.1:8000     # where the orchestrator runs; BLOCKS_API_URL wins over it
# block_family: compliance       # the family of blocks that name none
"""


def prepare(root: Path, repo: str, url: str) -> list[str]:
    """Make what is missing under ``root``; the paths that were made."""
    made = []
    for folder in ("catalog", "schemas"):
        keep = root / place.FOLDER / folder / ".gitkeep"
        if not keep.parent.is_dir():
            made.append(f"{place.FOLDER}/{folder}/")
            keep.parent.mkdir(parents=True)
            keep.touch()
    config = root / place.FOLDER / "config.yml"
    if not config.exists():
        values = {"repo": repo} | ({"url": url} if url else {})
        config.write_text(_CONFIG.format(values=yaml.safe_dump(values, sort_keys=False)), encoding="utf-8")
        made.append(f"{place.FOLDER}/config.yml")
    return made


@app.command()
def init(
    repo: Annotated[
        str, typer.Option(help="The repo's name at the orchestrator; the folder's name by default.")
    ] = "",
    url: Annotated[str, typer.Option(help="Where the orchestrator runs, kept in the configuration.")] = "",
    as_json: output.AsJson = False,
) -> None:
    """Prepare this repo: .blocks/config.yml, .blocks/catalog/, .blocks/schemas/."""
    here = Path.cwd()
    root = place.git_root(here) or here
    name = repo or re.sub(r"[^a-z0-9._-]+", "-", root.name.lower()).strip("-._") or "repo"
    made = prepare(root, name, url)
    if as_json:
        output.json_out({"root": str(root), "made": made})
    elif made:
        output.say(f"Prepared {root}: {', '.join(made)}")
        output.say("Next: export BLOCKS_TOKEN=..., then blocks flow run --input feature_request.md")
    else:
        output.say(f"{root} is prepared already; nothing changed.")
