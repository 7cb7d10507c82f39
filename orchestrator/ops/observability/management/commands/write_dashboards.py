"""``manage.py write_dashboards``: Grafana's files in ``deploy/grafana`` from the description of the
dashboards."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand

from orchestrator.ops.dashboards import grafana


class Command(BaseCommand):
    """The dashboards as Grafana reads them."""

    help = "Write the dashboards for Grafana."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """``--to`` is another folder."""
        parser.add_argument("--to", type=Path, default=grafana.FOLDER, help="the folder to write into")

    def handle(self, *_: Any, **options: Any) -> None:
        """Write, and say what."""
        for path in grafana.write_files(options["to"]):
            self.stdout.write(str(path))
