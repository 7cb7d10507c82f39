"""Which sandbox runs here, how fast it starts, and whether it holds: the part of ``manage.py doctor``."""

from argparse import ArgumentParser
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from gates.sandbox import SandboxUnavailable, registry
from gates.sandbox.attacks import ATTACKS, AttackResult, run_attacks
from gates.sandbox.base import Availability, SandboxBackend
from gates.sandbox.probe import measure_start_ms
from gates.sandbox.threat_table import write_table

# The goal of the benchmark.
_START_ALLOWED_MS = 60
_CONSEQUENCE = (
    "Until then no gate gives a verdict: strict flows wait on the gates queue, "
    "and continue by themselves afterwards."
)


def add_arguments(parser: ArgumentParser) -> None:
    """What may be asked of the sandboxes."""
    parser.add_argument(
        "--backend", choices=registry.BACKENDS.names(), help="try this sandbox instead of the one in force"
    )
    parser.add_argument("--all", action="store_true", help="try every sandbox that works here")
    parser.add_argument("--write", metavar="FILE", help="put the table of attacks into this Markdown file")


def examine_sandboxes(console: Console, options: dict[str, Any]) -> bool:
    """Print which sandbox runs here, and what held; false where an attack gets through or there is none."""
    # The table comes first, so that it is there even where nothing works.
    found = registry.probe_backends()
    results: dict[str, list[AttackResult]] = {}
    try:
        in_force = registry.choose_backend()
        console.print(_availability_table(found, in_force.name))
        for backend in _select_backends(found, options, in_force):
            results[backend.name] = _attack_backend(console, backend)
    except SandboxUnavailable as error:
        console.print(_availability_table(found))
        message = f"[red]{error.code}[/red] {error}"
        console.print(message, f"Cure: {error.cure}", _CONSEQUENCE, sep="\n", highlight=False)
        return False
    # Before the exit code: a table with a breach in it is worth most.
    if options["write"]:
        write_table(options["write"], results)
    breaches = sum(bool(result.breach) for attacked in results.values() for result in attacked)
    if breaches:
        noun = "attack" if breaches == 1 else "attacks"
        console.print(f"[red]{breaches} {noun} got through[/red]")
        return False
    console.print("[green]every attack was held[/green]")
    return True


def _select_backends(
    found: tuple[Availability, ...], options: dict[str, Any], in_force: SandboxBackend
) -> list[SandboxBackend]:
    if options["all"]:
        return [registry.BACKENDS.get(each.name) for each in found if each.available]
    if options["backend"]:
        return [registry.BACKENDS.get(options["backend"])]
    return [in_force]


def _availability_table(found: tuple[Availability, ...], in_force: str = "") -> Table:
    table = Table("sandbox", "works here", "in force", "made of, or why not")
    for each in found:
        works = "[green]yes[/green]" if each.available else "[red]no[/red]"
        chosen = "[bold]yes[/bold]" if each.name == in_force else ""
        table.add_row(each.name, works, chosen, escape(each.reason))
    return table


def _attack_backend(console: Console, backend: SandboxBackend) -> list[AttackResult]:
    start = measure_start_ms(backend.run)
    colour = "green" if start <= _START_ALLOWED_MS else "yellow"
    took = f"[{colour}]{start:.0f} ms[/{colour}] (median, interpreter included)"
    console.print(f"\n[bold]{backend.name}[/bold] starts in {took}")
    table = Table("attack", "the job", "outcome", "s")
    results = list(run_attacks(ATTACKS, backend.run))
    for result in results:
        verdict = f"[red]{escape(result.breach)}[/red]" if result.breach else "[green]held[/green]"
        table.add_row(result.attack.name, result.attack.claim, verdict, f"{result.seconds:.1f}")
    console.print(table)
    return results
