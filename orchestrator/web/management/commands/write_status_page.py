"""Writes the status page as files, to be served from elsewhere: also while everything here is down."""

import os
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db import DatabaseError, InterfaceError
from django.template.loader import render_to_string

from orchestrator.ops.status.feed import write_feed
from orchestrator.web.pages.status import build_status

_STYLE = Path(__file__).resolve().parents[2] / "static" / "web" / "site.css"


class Command(BaseCommand):
    """``manage.py write_status_page FOLDER``, typed by cron every minute."""

    help = "Write the status page, its style and its feed as files into a folder, for another web server."

    def add_arguments(self, parser: CommandParser) -> None:
        """The folder."""
        parser.add_argument("folder", type=Path, help="where index.html goes; it is made if it is missing")

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002 - Django's signature
        """Write what the page says now; with the database away, that, and the record that was kept."""
        folder: Path = options["folder"]
        folder.mkdir(parents=True, exist_ok=True)
        _replace(folder / "site.css", _STYLE.read_text(encoding="utf-8"))
        status = build_status()
        _replace(folder / "index.html", render_to_string("web/status_copy.html", status))
        feed = None if status["away"] else _read_feed()
        if feed is not None:
            _replace(folder / "feed.atom", feed)
        else:
            # The feed of before stays: readers of feeds would take an empty one for the end of all news.
            self.stderr.write("The feed is the old one: the database is away.")
        self.stdout.write(f"{folder / 'index.html'} is written.")


def _read_feed() -> str | None:
    """The feed; None where the database has gone since the page was made."""
    try:
        return write_feed("http://localhost/")
    except (DatabaseError, InterfaceError):
        return None


def _replace(path: Path, text: str) -> None:
    """Write beside and rename, so that a server never sends half a page."""
    beside = path.with_name(f".{path.name}.new")
    beside.write_text(text, encoding="utf-8")
    os.replace(beside, path)
