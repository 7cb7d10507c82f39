"""`blocks metrics`: reports of what the service did, for standups, files and spreadsheets."""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from blocks.cli import output, plain_files
from blocks.cli.client import Client
from blocks.cli.errors import Exit, Failure
from blocks.format.paths import is_safe_path

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Export success, latency, cost and quality, with the targets that were missed.",
)


class Format(StrEnum):
    """How a report is written."""

    MARKDOWN = "markdown"
    JSON = "json"
    CSV = "csv"


Form = Annotated[Format, typer.Option("--format", help="How it is written.")]
First = Annotated[
    str | None, typer.Option("--first", help="With --last: these days instead of the phase's, in UTC.")
]
Last = Annotated[str | None, typer.Option("--last", help="A day that is over: 2026-11-30.")]


@app.callback()
def metrics() -> None:
    """Export success, latency, cost and quality, with the targets that were missed."""


@app.command()
def export(
    last_24h: Annotated[bool, typer.Option("--last-24h", help="Of the last 24 hours, the default.")] = False,
    last_7d: Annotated[bool, typer.Option("--last-7d", help="Of the last 7 days up to now.")] = False,
    last_14d: Annotated[bool, typer.Option("--last-14d", help="Of the last 14 days up to now.")] = False,
    last_30d: Annotated[bool, typer.Option("--last-30d", help="Of the last 30 days up to now.")] = False,
    last_90d: Annotated[bool, typer.Option("--last-90d", help="Of the last 90 days up to now.")] = False,
    day: Annotated[str | None, typer.Option(help="Of a day that is over, in UTC: 2026-11-29.")] = None,
    repo: Annotated[str | None, typer.Option(help="Of one repo; a repo's token has its own.")] = None,
    form: Form = Format.MARKDOWN,
) -> None:
    """Export the figures of the last hours or of a day. A red cross marks a target that was missed."""
    asked = {"24h": last_24h, "7d": last_7d, "14d": last_14d, "30d": last_30d, "90d": last_90d}
    # A flag for each range, because the launch runbook types them so.
    ranges = [name for name, wanted in asked.items() if wanted]
    if len(ranges) + (day is not None) > 1:
        raise Failure(
            "More than one time was named.",
            cure="Keep one of --last-24h, --last-7d, --last-14d, --last-30d, --last-90d and --day.",
            code="cli:bad-option",
        )
    # The service has a default as well; this one is said here, so that help and request agree.
    last = None if day is not None else (ranges or ["24h"])[0]
    with Client.of_workspace() as client:
        text = client.download("reports/daily/", last=last, day=day, repo=repo, format=form.value)
    _print_text(text)


@app.command()
def weekly(
    day: Annotated[str | None, typer.Option(help="The week that ended by this day: 2026-11-27.")] = None,
    form: Form = Format.MARKDOWN,
) -> None:
    """Export the update of the last week that is over, beside the week before. For operators."""
    with Client.of_workspace() as client:
        _print_text(client.download("reports/weekly/", day=day, format=form.value))


@app.command()
def soak(
    first: First = None,
    last: Last = None,
    form: Form = Format.MARKDOWN,
    into: Annotated[
        Path | None, typer.Option(help="Write the files of the evidence package below this folder instead.")
    ] = None,
) -> None:
    """Export the exit criteria of the soak, or its evidence package. For operators."""
    with Client.of_workspace() as client:
        if into is None:
            _print_text(client.download("reports/soak/", first=first, last=last, format=form.value))
        else:
            _write_files(into, client.get("reports/soak/", first=first, last=last)["files"])


@app.command()
def rollout(first: First = None, last: Last = None, form: Form = Format.MARKDOWN) -> None:
    """Export the success metrics of the rollout, and the return on spend. For operators."""
    with Client.of_workspace() as client:
        _print_text(client.download("reports/rollout/", first=first, last=last, format=form.value))


def _print_text(text: bytes) -> None:
    # As text and not as bytes: what a terminal would obey is taken out on the way.
    output.print_line(text.decode("utf-8", errors="replace").rstrip("\n"))


def _write_files(folder: Path, files: Iterable[Mapping[str, str]]) -> None:
    """Write each file below ``folder``; the service chose the names, so none may lead out of it."""
    for file in files:
        # Before the first byte of this file is written; those before it were harmless and stay.
        if not is_safe_path(file["path"]):
            raise Failure(
                "The service sent a file whose name leads out of the folder.",
                cure="Check that BLOCKS_API_URL names the orchestrator.",
                code="cli:unexpected-answer",
                exit_code=Exit.UNREACHABLE,
            )
        place = folder / file["path"]
        plain_files.write_file(folder, place, file["text"].encode())
        output.print_line(f"wrote {place}")
