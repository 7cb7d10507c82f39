"""`blocks version`: of the command line, and of the service."""

import platform

import typer

from blocks import __version__
from blocks.cli import output, service_version, workspace
from blocks.cli.client import Client
from blocks.cli.errors import Failure

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def show_version(as_json: output.AsJson = False) -> None:
    """Show the version of `blocks`, of Python, and of the service where it answers."""
    found = {"blocks": __version__, "python": platform.python_version(), "service": None, "url": None}
    try:
        url = workspace.find_workspace().url
        with Client(url, None) as client:
            said = client.ask_anybody("health").headers.get(service_version.HEADER)
        found |= {"url": url, "service": said}
    except Failure as failure:
        # Its own version is what is asked for most; a service that does not answer makes nothing fail.
        found["note"] = failure.message
    if as_json:
        return output.print_json(found)
    output.print_result(f"blocks {__version__}, Python {found['python']}")
    if found["service"]:
        return output.print_line(f"service {found['service']} at {found['url']}")
    return output.print_line(f"service: {found.get('note') or 'it does not say'}")
