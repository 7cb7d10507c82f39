"""Commands that are loaded when they are called: `blocks --help` must not pay for HTTP, YAML and live
displays.
"""

import importlib.util
import sys
from types import ModuleType
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup, TyperOption

from blocks.cli import output

COMMANDS = {
    "init": (
        "blocks.cli.init",
        "Prepare this folder: .blocks/config.yml, .blocks/catalog/, .blocks/schemas/.",
    ),
    "login": ("blocks.cli.login", "Keep a token for one address of the orchestrator."),
    "logout": ("blocks.cli.logout", "Forget the token of an address."),
    "request": ("blocks.cli.request", "Begin a feature request; see what it lacks."),
    "flow": ("blocks.cli.flow", "Run, follow, fetch, cancel and retry flows."),
    "verify": (
        "blocks.cli.verify",
        "Show what the gates found; check a block's evidence; run the gates again.",
    ),
    "status": ("blocks.cli.status", "List flows."),
    "repo": ("blocks.cli.repo", "List repos, and show what is said of one."),
    "token": ("blocks.cli.token", "Make, list, rotate and revoke tokens."),
    "config": ("blocks.cli.config", "Show and set a repo's settings."),
    "quota": ("blocks.cli.quota", "Show what each provider may still use."),
    "metrics": ("blocks.cli.metrics", "Export success, latency, cost and quality."),
    "notify": ("blocks.cli.notify", "Post into Slack, or send a mail, through the service."),
    "alerts": ("blocks.cli.alerts", "Test the chain from an alert to its receivers."),
    "preflight": ("blocks.cli.preflight", "Is everything ready for the next phase of the rollout?"),
    "incident": ("blocks.cli.incident", "Open, lead, diagnose and resolve incidents."),
    "onboarding": ("blocks.cli.onboarding", "Look at requests for repos, act on them, schedule a list."),
    "rollback": ("blocks.cli.rollback", "Plan and apply a rollback; bring repos back."),
    "ci": ("blocks.cli.ci.commands", "In a CI job: run flows, propose their blocks, check all evidence."),
    "test-flow": (
        "blocks.cli.trial",
        "Run a feature request and say whether the service works; keeps no block.",
    ),
    "doctor": ("blocks.cli.doctor", "Check this folder, the token, the service and the versions."),
    "completion": ("blocks.cli.completion", "Print what completes commands in bash, zsh or fish."),
    "version": ("blocks.cli.version", "Show the version, and that of the service."),
}
# Set while a command is looked up in order to run it, not to be listed in a help text.
_LOADING = "blocks.cli.loading"


def import_lazily(name: str) -> ModuleType:
    """The module ``name``, which is executed when one of its attributes is first used."""
    # Never a second copy: `except` and `isinstance` would not recognize its classes.
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.find_spec(name)
    if spec is None or spec.loader is None:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)
    # Wrapped before the module is made: the module executes through the loader that its spec has then.
    spec.loader = importlib.util.LazyLoader(spec.loader)
    made = importlib.util.module_from_spec(spec)
    sys.modules[name] = made
    spec.loader.exec_module(made)
    return made


def import_parts(*names: str) -> Any:
    """The modules ``names`` of this package, each executed when it is first used.

    For what only the work of a command needs, and not its help.
    """
    return [import_lazily(f"{__package__}.{name}") for name in names]


def _add_quiet(command: Any) -> None:
    """Let ``command``, or each command of a group, take ``--quiet``."""
    inner = getattr(command, "commands", None)
    if inner is not None:
        for one in inner.values():
            _add_quiet(one)
        return
    option = TyperOption(
        param_decls=["--quiet", "-q"],
        is_flag=True,
        expose_value=False,
        callback=_take_quiet,
        help="Print failures only; lists print ids only.",
    )
    command.params.append(option)


def _take_quiet(ctx: Any, option: Any, value: bool) -> None:  # noqa: ARG001 - the shape of a callback
    if value:
        output.be_quiet()


class LazyGroup(TyperGroup):
    """Knows names and one-line helps; imports a command's module when the command is called."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - the group's signature
        """Names, in the order in which a new user needs them."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command itself if it is about to run, else a placeholder with its help."""
        if cmd_name not in COMMANDS:
            return None
        module, text = COMMANDS[cmd_name]
        if not ctx.meta.get(_LOADING):
            # As the short help, which is not cut to fit a line.
            return TyperCommand(cmd_name, help=text, short_help=text)
        command = typer.main.get_command(import_lazily(module).app)
        command.name = cmd_name
        _add_quiet(command)
        return command

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that ``args`` name, loaded."""
        ctx.meta[_LOADING] = True
        try:
            return super().resolve_command(ctx, args)
        finally:
            ctx.meta[_LOADING] = False
