"""`blocks logout`: forget the token of an address."""

from typing import Annotated

import typer

from blocks.cli import credentials, output

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def log_out(
    url: Annotated[str, typer.Option(help="The address that the token was kept for.")],
) -> None:
    """Forget the token of an address. It stays valid until an operator revokes it."""
    tokens = credentials.load_tokens()
    if tokens.pop(url.rstrip("/"), None) is None:
        output.print_line(f"No token is kept for {url}.")
        return
    credentials.store_tokens(tokens)
    output.print_line(f"The token for {url} is forgotten here.")
