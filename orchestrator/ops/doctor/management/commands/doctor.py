"""``manage.py doctor``: are the servers as the product needs them, and does the sandbox hold?"""

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from typing import IO, Any, Final, cast

from django.core.management.base import BaseCommand, CommandParser
from rich.console import Console
from rich.markup import escape

from gates.sandbox import examination
from orchestrator.ops.doctor.broker import examine_broker
from orchestrator.ops.doctor.finding import FindingState, ServerFinding
from orchestrator.ops.doctor.postgresql import examine_postgresql

# Where the output is not a terminal, rich would guess.
_PLAIN_WIDTH: Final = 120
_SERVERS, _SANDBOX = "servers", "sandbox"
_COLOURS: Final = {FindingState.OK: "green", FindingState.NOTE: "yellow", FindingState.WRONG: "red"}


class Command(BaseCommand):
    """Exit code 1 when something is wrong, an attack gets through, or there is no sandbox at all."""

    help = (
        "Says whether PostgreSQL, its replicas and pooler, and Redis with its Sentinels are as the product "
        "needs them; which sandbox runs generated code here and how fast it starts; and tries to break out "
        "of it."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Which part, and how it is shown."""
        parser.add_argument(
            "part",
            nargs="?",
            choices=(_SERVERS, _SANDBOX),
            help="only this part; an option of the sandbox means it",
        )
        parser.add_argument("--json", action="store_true", help="print what was found of the servers as JSON")
        examination.add_arguments(parser)

    def handle(self, *_: Any, **options: Any) -> None:
        """Examine the parts in turn; one that is wrong hides no other."""
        width = None if sys.stdout.isatty() else _PLAIN_WIDTH
        console = Console(file=cast(IO[str], self.stdout), width=width)
        parts = _choose_parts(options)
        is_well = True
        if _SERVERS in parts:
            is_well = self._examine_servers(console, as_json=options["json"])
        # Examined in any case: servers that are wrong say nothing about it.
        if _SANDBOX in parts:
            is_well = examination.examine_sandboxes(console, options) and is_well
        if not is_well:
            sys.exit(1)

    def _examine_servers(self, console: Console, *, as_json: bool) -> bool:
        found = []
        for finding in list_findings():
            found.append(finding)
            # Each as it is found: a server that is away takes seconds.
            if not as_json:
                _print_finding(console, finding)
        is_well = all(finding.state != FindingState.WRONG for finding in found)
        if as_json:
            self.stdout.write(json.dumps({"ok": is_well, "checks": [asdict(one) for one in found]}))
        return is_well


def list_findings() -> Iterator[ServerFinding]:
    """Everything about the servers."""
    yield from examine_postgresql()
    yield from examine_broker()


def _choose_parts(options: dict[str, Any]) -> tuple[str, ...]:
    if options["part"]:
        return (options["part"],)
    # Attacks have a table of their own, and none of them is JSON.
    if options["json"]:
        return (_SERVERS,)
    # A question about sandboxes is not about servers, which may not be there.
    if options["all"] or options["backend"] or options["write"]:
        return (_SANDBOX,)
    return (_SERVERS, _SANDBOX)


def _print_finding(console: Console, finding: ServerFinding) -> None:
    colour = _COLOURS[finding.state]
    line = f"[{colour}]{finding.state:<5}[/{colour}]  {escape(finding.name)}: {escape(finding.found)}"
    console.print(line, highlight=False, soft_wrap=True)
    if finding.cure:
        console.print(f"       cure: {escape(finding.cure)}", highlight=False, soft_wrap=True)
