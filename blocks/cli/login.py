"""`blocks login`: bind a token to the address that it is for."""

import sys
from typing import Annotated

import typer

from blocks.cli import credentials, output
from blocks.cli.client import Client
from blocks.cli.errors import Exit, Failure

app = typer.Typer(add_completion=False, rich_markup_mode=None)
Url = Annotated[str, typer.Option(help="Where the orchestrator runs, as https://...")]


@app.command()
def log_in(url: Url) -> None:
    """Ask for a token, try it, and keep it for this address only. In a pipe, the token is the first line."""
    url = url.rstrip("/")
    credentials.require_safe_address(url)
    token = typer.prompt("Token", hide_input=True) if sys.stdin.isatty() else sys.stdin.readline()
    token = token.strip()
    if not token:
        raise Failure("No token was given.", code="auth:missing-token", exit_code=Exit.NOT_ALLOWED)
    with Client(url, token) as client:
        owner = client.get("whoami/")
    credentials.store_tokens(credentials.load_tokens() | {url: token})
    reach = owner["repo"] or "every repo"
    output.print_line(f"Logged in at {url}: the token {owner['name']} reaches {reach}.")
