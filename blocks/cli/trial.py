"""`blocks test-flow`: does the service turn a request into a block? For operators, after a deployment or
a rollback.
"""

from pathlib import Path
from typing import Annotated

import typer

from blocks.cli import flow_following, flow_request, output, workspace
from blocks.cli.client import Client

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def try_flow(
    input_file: Annotated[Path, typer.Option("--input", "-i", help="A feature request, in Markdown.")],
    repo: Annotated[str, typer.Option(help="The repo; as in .blocks/config.yml by default.")] = "",
    timeout: flow_following.Timeout = None,
    as_json: output.AsJson = False,
) -> None:
    """Run a feature request from end to end and say whether the service works. The block is not written
    here.
    """
    text, here = flow_request.read_request(input_file), workspace.find_workspace()
    with Client(here.url, workspace.read_token(here)) as client:
        # Without the repo's files: this tests the service, and must not depend on what is checked out.
        body = {"repo": flow_request.choose_repo(client, here, repo), "feature_request": text}
        started = client.post("flows/", body)
        flow_following.finish_flow(client, started["id"], None, timeout=timeout, as_json=as_json)
