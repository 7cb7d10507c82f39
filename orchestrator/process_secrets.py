"""Which secrets each process of the Procfile may hold. A process that holds another one does not start.

A leak in one process then gives away no more than it needs. ``PROCESS`` names the process; without it (a
command typed by hand, a test) nothing is refused.
"""

import os
import re
import secrets
from collections.abc import Mapping
from typing import Final

from django.core.exceptions import ImproperlyConfigured

WITHHELD: Final = "withheld"
"""What a process is given in the place of a secret that it must know to exist and may not read."""
_SERVERS: Final = frozenset({"DATABASE_URL", "DATABASE_REPLICA_URLS", "REDIS_URL"})
_STORE: Final = frozenset({"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"})
# Of vendors and of compatible servers, whose names only the environment knows.
_MODEL_KEY: Final = re.compile(r"[A-Z][A-Z0-9_]*_API_KEY")
# A stage may fall back to another provider's model, so each of these workers needs all the keys of models.
_MODELS: Final = _SERVERS | _STORE | {"SECRET_KEY"}
MODEL_PROCESSES: Final = frozenset({"anthropic", "openai", "google", "compatible"})
MAY_HOLD: Final[dict[str, frozenset[str]]] = {
    # Reads evidence from the store, signs people in, calls no provider, sends no message, signs nothing.
    "web": _SERVERS | _STORE | {"SECRET_KEY", "SLACK_SIGNING_SECRET", "OIDC_CLIENT_SECRET"},
    **dict.fromkeys(sorted(MODEL_PROCESSES), _MODELS),
    "gates": _SERVERS | _STORE,
    # The only one that signs, and that sends messages.
    "control": _SERVERS
    | _STORE
    | {"SECRET_KEY", "EVIDENCE_SIGNING_KEY", "SLACK_BOT_TOKEN", "PAGERDUTY_ROUTING_KEY", "EMAIL_URL"}
    | {"GITHUB_TOKEN", "GITLAB_TOKEN"},
    # Checks and provisions repos on their code hosts, and asks their leads; sends no other message.
    "onboarding": _SERVERS
    | _STORE
    | {"SECRET_KEY", "SLACK_BOT_TOKEN", "GITHUB_TOKEN", "GITHUB_APP_PRIVATE_KEY", "GITLAB_TOKEN"}
    | {"PAGERDUTY_API_TOKEN", "GRAFANA_TOKEN"},
    "dispatcher": _SERVERS,
    "flower": frozenset({"REDIS_URL", "FLOWER_BASIC_AUTH"}),
    "exporter": _SERVERS | {"METRICS_TOKEN"},
}
SECRETS: Final = frozenset().union(*MAY_HOLD.values()) | {
    "ANTHROPIC_API_KEY",
    "OPENAI_API_KEY",
    "GOOGLE_API_KEY",
}
"""The secrets whose names are known; the keys of compatible servers are found by their form."""

# What the settings cannot do without, in a form that opens nothing: an unknown key, and a database
# that is not there.
_STAND_INS: Final = {
    "SECRET_KEY": secrets.token_urlsafe(48),
    "DATABASE_URL": f"postgres://{WITHHELD}@127.0.0.1:1/{WITHHELD}",
    "DATABASE_REPLICA_URLS": "",
}
# The same where there is a secret: a password is secret, that there is a mail server is not.
_STAND_INS_OF_SET: Final = {"EMAIL_URL": f"smtp://{WITHHELD}@127.0.0.1:1"}


def find_row(process: str) -> str:
    """The row of MAY_HOLD for a process of the Procfile; workers of compatible servers share one."""
    return process if process in MAY_HOLD else "compatible"


def may_hold(process: str, name: str) -> bool:
    """Whether ``process`` may hold the secret called ``name``."""
    row = find_row(process)
    return name in MAY_HOLD[row] or (is_model_key(name) and row in MODEL_PROCESSES)


def is_model_key(name: str) -> bool:
    """Whether ``name`` is the key of a provider."""
    return _MODEL_KEY.fullmatch(name) is not None


def is_secret(name: str) -> bool:
    """Whether the variable ``name`` holds a secret of this product."""
    return name in SECRETS or is_model_key(name)


def withhold_secrets(process: str, environment: dict[str, str]) -> dict[str, str]:
    """``environment`` for ``process``: what it may not hold is named, and has no value."""
    given = dict(environment) | {"PROCESS": find_row(process)}
    for variable in environment:
        name = variable.removesuffix("_FILE")
        if is_secret(name) and not may_hold(process, name) and given.pop(variable, ""):
            given[name] = WITHHELD
    return given


def leave_out_secrets(environment: Mapping[str, str]) -> dict[str, str]:
    """``environment`` with no secret in it, for a process that only loads code."""
    given = {name: value for name, value in environment.items() if not is_secret(name.removesuffix("_FILE"))}
    return given | _STAND_INS


def refuse_foreign_secrets(environment: Mapping[str, str] = os.environ) -> None:
    """Raise ``ImproperlyConfigured`` where this process holds a secret that is not for it, read or not."""
    process = environment.get("PROCESS", "")
    if not process:
        return
    for variable, value in environment.items():
        name = variable.removesuffix("_FILE")
        if value and value != WITHHELD and is_secret(name) and not may_hold(process, name):
            raise ImproperlyConfigured(_describe_refusal(process, variable))


def read_withheld(name: str, value: str) -> str:
    """``value`` of the secret ``name`` as the process of this environment may see it.

    Raises ``ImproperlyConfigured`` where it holds the value of a secret that is not for it.
    """
    process = os.environ.get("PROCESS", "")
    if not process or not is_secret(name) or may_hold(process, name):
        return value
    if value and value != WITHHELD:
        raise ImproperlyConfigured(_describe_refusal(process, name))
    if value == WITHHELD and name in _STAND_INS_OF_SET:
        return _STAND_INS_OF_SET[name]
    return _STAND_INS.get(name, value)


def _describe_refusal(process: str, name: str) -> str:
    # Never the value, nor the file that has it.
    return (
        f"The process {process} may not hold {name}: leave it out of its environment, or set "
        f"{name.removesuffix('_FILE')} to {WITHHELD!r}."
    )
