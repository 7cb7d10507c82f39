"""`blocks notify`: a message to people through the service, and whether it arrived."""

import time
from typing import Annotated, Any

import typer

from blocks.cli import output
from blocks.cli.client import Client
from blocks.cli.errors import Exit, Failure

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Post into Slack, or send a mail, through the service.",
)
# The first attempt comes at once; the next would be sent 10 s later.
WAIT_SECONDS = 20.0
_PAUSE_SECONDS = 0.25


@app.callback()
def notify() -> None:
    """Post into Slack, or send a mail, through the service."""


@app.command()
def slack(
    channel: Annotated[str, typer.Option("--channel", help="The channel, with or without #.")],
    message: Annotated[str, typer.Option("--message", help="What to post.")],
    as_json: output.AsJson = False,
) -> None:
    """Post a message into a Slack channel. For operators."""
    _send("notify/slack/", {"channel": channel, "message": message}, as_json=as_json)


@app.command()
def email(
    to: Annotated[str, typer.Option("--to", help="The address.")],
    subject: Annotated[str, typer.Option("--subject", help="The subject.")],
    body: Annotated[str, typer.Option("--body", help="The text.")],
    as_json: output.AsJson = False,
) -> None:
    """Send a mail to one address. For operators."""
    _send("notify/email/", {"to": to, "subject": subject, "body": body}, as_json=as_json)


def _send(path: str, body: dict[str, Any], *, as_json: bool) -> None:
    with Client.of_workspace() as client:
        found = client.post(path, body)
        # The clock of this process: the service's may differ.
        until = time.monotonic() + WAIT_SECONDS
        while found["status"] in {"waiting", "sending"} and time.monotonic() < until:
            time.sleep(_PAUSE_SECONDS)
            found = client.get(f"notifications/{found['id']}/")
    if found["status"] == "given_up":
        raise Failure(found["error_message"], cure=found["error_cure"], code=found["error_code"])
    if as_json:
        output.print_json(found)
    elif found["status"] == "sent":
        output.print_line(f"sent to {found['target']}")
    else:
        reason = f" ({found['error_message']})" if found["error_message"] else ""
        output.print_line(f"kept for {found['target']}, and sent as soon as possible{reason}")
    if found["status"] != "sent":
        raise typer.Exit(Exit.STILL_RUNNING)
