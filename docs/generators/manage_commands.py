"""``docs/reference/manage-commands.md``: the commands of ``manage.py`` that the product adds to Django's."""

import argparse
from collections.abc import Iterator
from pathlib import Path

from django.core.management import get_commands, load_command_class
from django.core.management.base import BaseCommand

from docs.generators.markdown import build_page, build_table

ROOT = Path(__file__).resolve().parents[2]
OWN = ("orchestrator", "providers", "gates", "onboarding")
_INTRODUCTION = """\
Typed as `.venv/bin/python manage.py COMMAND` on a machine that has the settings of the service; `make up`
and the Procfile start those that are processes. Django's own commands (`migrate`, `check`,
`collectstatic`, ...) are there too."""
_DJANGO_OPTIONS = {
    "help", "version", "verbosity", "settings", "pythonpath", "traceback", "no_color", "force_color",
    "skip_checks",
}  # fmt: skip


def build_manage_page() -> str:
    """The page."""
    parts = [_INTRODUCTION]
    for name, command in list_own_commands():
        parts += _describe_command(name, command)
    return build_page("Commands of `manage.py`", *parts)


def list_own_commands() -> Iterator[tuple[str, BaseCommand]]:
    """The commands of the product's apps, by name."""
    for name, owner in sorted(get_commands().items()):
        # Django says either the name of an app, or the command itself.
        label = owner if isinstance(owner, str) else type(owner).__module__
        if label.split(".")[0] in OWN:
            yield name, load_command_class(label, name)


def _describe_command(name: str, command: BaseCommand) -> list[str]:
    parser = command.create_parser("manage.py", name)
    rows = []
    usage = [f"manage.py {name}"]
    # argparse has no public list.
    for action in parser._actions:
        if action.dest in _DJANGO_OPTIONS:
            continue
        shown = _spell_action(action)
        needed = action.required if action.option_strings else action.nargs not in ("*", "?")
        default = "required" if needed else _default_of(action)
        rows.append([f"`{shown}`", default, action.help or ""])
        usage.append(shown if needed else f"[{shown}]")
    parts = [f"## `{name}`", command.help, f"```\n{' '.join(usage)}\n```"]
    if rows:
        parts.append(build_table(("argument or option", "default", "does"), rows))
    return [part for part in parts if part]


def _spell_action(action: argparse.Action) -> str:
    word = action.metavar or (action.dest if not action.option_strings else action.dest.upper())
    if action.choices is not None:
        word = "{" + ",".join(map(str, action.choices)) + "}"
    if not action.option_strings:
        return f"{word} ..." if action.nargs in ("*", "+") else str(word)
    names = ", ".join(action.option_strings)
    return names if action.nargs == 0 else f"{names} {word}"


def _default_of(action: argparse.Action) -> str:
    if isinstance(action.default, Path):
        # Inside the checkout, wherever that is.
        return f"`{action.default.relative_to(ROOT)}`"
    if action.default in (None, "", False, argparse.SUPPRESS) or action.default == []:
        return ""
    return f"`{action.default}`"
