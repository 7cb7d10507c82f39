"""`blocks init`: the folders and the configuration of a repo. Running it again changes nothing."""

import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated

import typer

from blocks.cli import lazy_commands, output
from blocks.cli.credentials import require_safe_address
from blocks.cli.errors import Failure
from blocks.cli.plain_files import refuse_links, write_file
from blocks.format.limits import KIB
from blocks.format.plain_files import read_plain_file
from blocks.format.selection import BLOCKS_FOLDER, CONFIG
from blocks.format.work_tree import find_git_root

if TYPE_CHECKING:
    from blocks.cli import project
    from blocks.format import repo_files
else:
    project = lazy_commands.import_lazily("blocks.cli.project")
    repo_files = lazy_commands.import_lazily("blocks.format.repo_files")

_MOST_ATTRIBUTES = 64 * KIB
app = typer.Typer(add_completion=False, rich_markup_mode=None)
# What people read in place of the names of the configuration.
_FACT_WORDS = {"ci": "CI", "test_runner": "test runner", "tests": "tests in"}
# As the service takes it.
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}")
_LONGEST_NAME = 100


def prepare_repo(
    root: Path, repo: str, url: str, facts: Mapping[str, str] = MappingProxyType({})
) -> list[str]:
    """Make what is missing under ``root``; the paths made. A new configuration has the ``facts``."""
    made = list_missing(root)
    for folder in repo_files.KEPT_FOLDERS:
        keep = root / BLOCKS_FOLDER / folder / repo_files.KEEP_FILE
        if not keep.parent.is_dir():
            keep.parent.mkdir(parents=True)
            # git does not keep empty folders.
            keep.touch()
    missing, found = _find_attributes(root)
    if missing:
        # Last, because the last line that matches a path counts.
        start = found if found.endswith(b"\n") or not found else found + b"\n"
        write_file(
            root, root / repo_files.ATTRIBUTES_FILE, start + b"".join(line + b"\n" for line in missing)
        )
    config = root / CONFIG
    if not config.exists():
        write_file(root, config, repo_files.build_config(repo, url, facts))
    return made


def list_missing(root: Path) -> list[str]:
    """What `blocks init` would make or add to under ``root``. Raises ``Failure`` for what is in its way."""
    refuse_links(root, root / CONFIG)
    missing = []
    for folder in repo_files.KEPT_FOLDERS:
        place = root / BLOCKS_FOLDER / folder
        refuse_links(root, place / ".gitkeep")
        if place.exists() and not place.is_dir():
            raise Failure(f"{place} is not a folder.", cure="Move it away, then run `blocks init` again.")
        if not place.is_dir():
            missing.append(f"{BLOCKS_FOLDER}/{folder}/")
    if _find_attributes(root)[0]:
        missing.append(repo_files.ATTRIBUTES_FILE)
    if not (root / CONFIG).exists():
        missing.append(CONFIG)
    return missing


def _find_attributes(root: Path) -> tuple[list[bytes], bytes]:
    """The lines that keep git from converting the line ends of blocks, after which no digest would be right:
    those that are missing, and what the file holds.
    """
    path = root / repo_files.ATTRIBUTES_FILE
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
    return [line for line in repo_files.ATTRIBUTES if line not in found.splitlines()], found


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
    agreed: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: output.AsJson = False,
) -> None:
    """Prepare this repo: .blocks/config.yml, .blocks/catalog/, .blocks/schemas/. Says what it found and asks
    first, where somebody can be asked.
    """
    here = Path.cwd()
    root = here if here_only else find_git_root(here) or here
    name = _choose_name(repo, root)
    if url:
        require_safe_address(url)
    facts = project.find_project(root).describe()
    missing = list_missing(root)
    if missing and not as_json:
        known = ", ".join(f"{_FACT_WORDS.get(field, field)} {value}" for field, value in facts.items())
        output.print_line(f"Repo {name} in {root}: {known or 'nothing is known of it yet'}")
        if not agreed and output.can_ask():
            output.require_agreement(f"Make {', '.join(missing)}?", option="--yes", default=True)
    made = prepare_repo(root, name, url, facts)
    if as_json:
        output.print_json({"root": str(root), "repo": name, "made": made, "found": facts})
    elif made:
        output.print_line(f"Prepared {root}: {', '.join(made)}")
        output.print_line("Next: export BLOCKS_TOKEN=..., then blocks flow run --input feature_request.md")
    else:
        output.print_line(f"{root} is prepared already; nothing changed.")


def _choose_name(asked: str, root: Path) -> str:
    """The name at the orchestrator: as asked, or made of the folder's name."""
    if asked and not _NAME.fullmatch(asked):
        raise Failure(
            f"{asked[:_LONGEST_NAME]!r} cannot be the name of a repo.",
            cure="Use lower-case letters, digits, dots, dashes or underscores, at most 100.",
            code="cli:bad-option",
        )
    made = re.sub(r"[^a-z0-9._-]+", "-", root.name.lower()).strip("-._")
    return asked or made[:_LONGEST_NAME] or "repo"
