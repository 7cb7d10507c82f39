"""`blocks config`: the settings in force, where each comes from, and how to change one."""

from typing import Annotated, Any

import typer

from blocks.cli import output, workspace
from blocks.cli.client import Client
from blocks.cli.errors import Failure

app = typer.Typer(
    add_completion=False, rich_markup_mode=None, no_args_is_help=True, help="Show and set a repo's settings."
)
Repo = Annotated[
    str, typer.Option(help="The repo; as in .blocks/config.yml or as the token is bound by default.")
]
Key = Annotated[str, typer.Argument(metavar="KEY", help="A name that `blocks config show` lists.")]


def settings_path(client: Client, repo: str) -> str:
    """The path of the settings: of the repo that is named, configured, or bound to the token; else of the
    organisation.
    """
    name = repo or workspace.find_workspace().repo or client.get("whoami/")["repo"]
    return f"repos/{name}/config/" if name else "config/"


def format_value(value: Any) -> str:
    """A value as it would be typed: ``true``, ``180``, ``gpt-4-turbo``; empty for an empty text."""
    return str(value).lower() if isinstance(value, bool) else str(value)


@app.command()
def show(repo: Repo = "", as_json: output.AsJson = False) -> None:
    """Show every setting with its value and its source (env, org or repo)."""
    with Client.of_workspace() as client:
        found = client.get(settings_path(client, repo))
    if as_json:
        return output.print_json(found)
    if found["repo"] is not None:
        output.print_line(f"repo: {found['repo']}")
        output.print_line(f"enabled: {format_value(found['enabled'])}")
    else:
        output.print_line("repo: (all; name one with --repo)")
    for name, one in found["config"].items():
        if name != "enabled":
            output.print_line(f"{name}: {format_value(one['value'])}".ljust(44) + f"# {one['source']}")
    return None


@app.command()
def get(key: Key, repo: Repo = "", as_json: output.AsJson = False) -> None:
    """Print one value, for scripts."""
    with Client.of_workspace() as client:
        found = client.get(settings_path(client, repo))["config"]
    # The service returns every setting that exists, so a missing one is a typing error.
    if key not in found:
        raise Failure(
            f"There is no setting {key!r}.",
            cure=f"Use one of: {', '.join(sorted(found))}.",
            code="config:unknown-key",
        )
    if as_json:
        output.print_json({"key": key, **found[key]})
    else:
        output.print_line(format_value(found[key]["value"]))


@app.command("set")
def set_key(
    key: Key,
    value: Annotated[
        str,
        typer.Argument(metavar="VALUE", help='"" removes the repo\'s own value, except for fallback.model.'),
    ],
    repo: Repo = "",
    as_json: output.AsJson = False,
) -> None:
    """Set one value."""
    with Client.of_workspace() as client:
        path = settings_path(client, repo)
        # An empty fallback model is a value: no fallback. Any other empty value removes the setting.
        removed = value == "" and key != "fallback.model"
        found = client.put(path, {key: None if removed else value})
    one = found["config"][key]
    if as_json:
        return output.print_json({"repo": found["repo"], "key": key, **one})
    scope = found["repo"] or "all repos"
    return output.print_line(f"{key}: {format_value(one['value'])}  ({scope}, from {one['source']})")
