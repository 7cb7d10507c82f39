"""``docs/reference/commands.md``: every command of `blocks` with its arguments and options."""

from collections.abc import Iterator
from typing import Any

import typer

from blocks.cli.errors import Exit
from blocks.cli.lazy_commands import COMMANDS, import_lazily
from blocks.cli.main import app
from docs.generators.markdown import build_page, build_table

_INTRODUCTION = """\
What `blocks COMMAND --help` says, on one page. [The quick start](../tutorial/cli-quickstart.md) shows the
commands at work. Every command reads `BLOCKS_API_URL` and `BLOCKS_TOKEN`, and takes `--quiet` (`-q`): it then
prints failures only, and of a list the ids."""
_EXIT_CODES = {
    Exit.DONE: "done",
    Exit.FAILED: "the flow or a gate failed, or the evidence of a block does not hold",
    Exit.USAGE: "the flow was cancelled, or wrong usage",
    Exit.NOT_ALLOWED: "not allowed: no token, a wrong one, or a repo that is not enabled",
    Exit.UNREACHABLE: "the service cannot be reached, or failed",
    Exit.STILL_RUNNING: "still running: the time given has passed, or you pressed ctrl-C; the flow continues",
}
_SAID_ONCE = {"help", "as_json"}
_PLACEHOLDERS = {
    "STR": "TEXT",
    "INT": "NUMBER",
    "INT RANGE": "NUMBER",
    "FLOAT": "NUMBER",
    "FLOAT RANGE": "NUMBER",
}


def build_commands_page() -> str:
    """The page."""
    parts = [_INTRODUCTION]
    for name, command in list_commands():
        parts += _describe_command(name, command)
    codes = build_table(("code", "means"), ([str(int(code)), text] for code, text in _EXIT_CODES.items()))
    return build_page("Commands of `blocks`", *parts, "## Exit codes", codes)


def list_commands() -> Iterator[tuple[str, Any]]:
    """Every command that does something, by the words that are typed; groups only hold others."""
    root = typer.main.get_command(app)
    yield "blocks", root
    for name, (module, _) in COMMANDS.items():
        yield from _walk(f"blocks {name}", typer.main.get_command(import_lazily(module).app))


def _walk(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    members = getattr(command, "commands", None)
    if members is None:
        yield name, command
        return
    if command.invoke_without_command:
        yield name, command
    for word, member in members.items():
        yield from _walk(f"{name} {word}", member)


def _describe_command(name: str, command: Any) -> list[str]:
    shown = [one for one in command.params if not getattr(one, "hidden", False)]
    usage = [name]
    usage += [_usage_of(one) for one in shown if one.param_type_name == "argument"]
    if any(one.param_type_name == "option" for one in shown):
        usage.append("[OPTIONS]")
    rows = [_describe_parameter(one) for one in shown if one.name not in _SAID_ONCE]
    says_json = any(one.name == "as_json" for one in shown)
    parts = [f"## `{name}`", " ".join((command.help or "").split())]
    if name == "blocks":
        usage.append("COMMAND")
    parts.append(f"```\n{' '.join(usage)}\n```")
    if rows:
        parts.append(build_table(("argument or option", "default", "does"), rows))
    if says_json:
        parts.append("With `--json` it prints one JSON document and nothing else on standard output.")
    return [part for part in parts if part]


def _usage_of(argument: Any) -> str:
    word = argument.metavar or argument.name.upper()
    return word if argument.required else f"[{word}]"


def _describe_parameter(one: Any) -> list[str]:
    if one.param_type_name == "argument":
        return [f"`{one.metavar or one.name.upper()}`", _default_of(one), getattr(one, "help", "") or ""]
    names = ", ".join([*one.opts, *one.secondary_opts])
    if not one.is_flag:
        names += f" {_name_value(one)}"
    return [f"`{names}`", _default_of(one), one.help or ""]


def _name_value(one: Any) -> str:
    kind = one.type.name.upper()
    return str(one.metavar or _PLACEHOLDERS.get(kind, kind))


def _default_of(one: Any) -> str:
    if one.required:
        return "required"
    default = one.default
    # A flag that can be switched off has a name for each of its two states.
    if one.param_type_name == "option" and one.secondary_opts:
        return f"`{one.opts[0]}`" if default else f"`{one.secondary_opts[0]}`"
    if default is None or default == "" or default is False or callable(default):
        return ""
    return f"`{default:g}`" if isinstance(default, float) else f"`{default}`"
