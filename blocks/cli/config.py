"""`blocks config`: the settings in force, where each comes from, and how to change one."""

from typing import Annotated, Any

import typer

from blocks.cli import output, place
from blocks.cli.client import Client
from blocks.cli.errors import Failure

app = typer.Typer(
    add_completion=False, rich_markup_mode=None, no_args_is_help=True, help="Show and set a repo's settings."
)
Repo = Annotated[
    str, typer.Option(help="The repo; as in .blocks/config.yml or as the token is bound by default.")
]
Key = Annotated[str, typer.Argument(metavar="KEY")]


def path_of(client: Client, repo: str) -> str:
    """Where the settings lie: of the repo that is named, configured, or bound to the token; else of the organisation."""
    name = repo or place.find().repo or client.get("whoami/")["repo"]
    return f"repos/{name}/config/" if name else "config/"


def word(value: Any) -> str:
    """A value as it would be typed: ``true``, ``180``, ``gpt-4-turbo``; nothing for an empty text."""
    return str(value).lower() if isinstance(value, bool) else str(value)


@app.command()
def show(repo: Repo = "", as_json: output.AsJson = False) -> None:
    """Show every setting with its value and its source (env, org or repo)."""
    with Client.here() as client:
        found = client.get(path_of(client, repo))
    if as_json:
        return output.json_out(found)
    if found["repo"] is not None:
        output.say(f"repo: {found['repo']}")
        output.say(f"enabled: {word(found['enabled'])}")
    else:
        output.say("repo: (all; name one with --repo)")
    for name, one in found["config"].items():
        if name != "enabled":
            output.say(f"{name}: {word(one['value'])}".ljust(44) + f"# {one['source']}")
    return None


@app.command()
def get(key: Key, repo: Repo = "", as_json: output.AsJson = False) -> None:
    """Print one value, for scripts."""
    with Client.here() as client:
        found = client.get(path_of(client, repo))["config"]
    if key not in found:
        raise Failure(
            f"There is no setting {key!r}.",
            cure=f"Use one of: {', '.join(sorted(found))}.",
            code="config:unknown-key",
        )
    output.json_out({"key": key, **found[key]}) if as_json else output.say(word(found[key]["value"]))


@app.command("set")
def set_key(
    key: Key,
    value: Annotated[
        str,
        typer.Argument(metavar="VALUE", help='"" takes the own value away again, but for fallback.model.'),
    ],
    repo: Repo = "",
    as_json: output.AsJson = False,
) -> None:
    """Set one value."""
    with Client.here() as client:
        path = path_of(client, repo)
        found = client.put(path, {key: None if value == "" and key != "fallback.model" else value})
    one = found["config"][key]
    if as_json:
        return output.json_out({"repo": found["repo"], "key": key, **one})
    return output.say(f"{key}: {word(one['value'])}  ({found['repo'] or 'all repos'}, from {one['source']})")
