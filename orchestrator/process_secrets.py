"""Which secrets each process of the Procfile may hold. A process that holds another one does not start.

A leak in one process then gives away no more than it needs. ``PROCESS`` names the process; without it (a
command typed by hand, a test) nothing is refused.
"""

import os
import secrets
from collections.abc import Mapping
from typing import Final

from django.core.exceptions import ImproperlyConfigured

WITHHELD: Final = "withheld"
"""What a process is given in the place of a secret that it must know to exist and may not read."""
_PROVIDERS: Final = frozenset({"ANTHROPIC_API_KEY", "OPENAI_API_KEY", "GOOGLE_API_KEY"})
_SERVERS: Final = frozenset({"DATABASE_URL", "DATABASE_REPLICA_URLS", "REDIS_URL"})
_STORE: Final = frozenset({"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"})
# A stage may fall back to another provider's model, so each of these workers needs all three keys.
_MODELS: Final = _SERVERS | _PROVIDERS | _STORE | {"SECRET_KEY"}
MAY_HOLD: Final[dict[str, frozenset[str]]] = {
    # Reads evidence from the store, calls nobody, signs nothing.
    "web": _SERVERS | _STORE | {"SECRET_KEY"},
    "anthropic": _MODELS,
    "openai": _MODELS,
    "google": _MODELS,
    "gates": _SERVERS | _STORE,
    # The only one that signs.
    "control": _SERVERS | _STORE | {"SECRET_KEY", "EVIDENCE_SIGNING_KEY"},
    "dispatcher": _SERVERS,
    "flower": frozenset({"REDIS_URL", "FLOWER_BASIC_AUTH"}),
    "exporter": _SERVERS | {"METRICS_TOKEN"},
}
SECRETS: Final = frozenset().union(*MAY_HOLD.values())

# What the settings cannot do without, in a form that opens nothing: an unknown key, and a database
# that is not there.
_STAND_INS: Final = {
    "SECRET_KEY": secrets.token_urlsafe(48),
    "DATABASE_URL": f"postgres://{WITHHELD}@127.0.0.1:1/{WITHHELD}",
    "DATABASE_REPLICA_URLS": "",
}


def withhold_secrets(process: str, environment: dict[str, str]) -> dict[str, str]:
    """``environment`` for ``process``: what it may not hold is named, and has no value."""
    held = MAY_HOLD.get(process)
    if held is None:
        return environment
    given = dict(environment) | {"PROCESS": process}
    for name in SECRETS - held:
        file = given.pop(f"{name}_FILE", "")
        if given.get(name) or file:
            given[name] = WITHHELD
    return given


def leave_out_secrets(environment: Mapping[str, str]) -> dict[str, str]:
    """``environment`` with no secret in it, for a process that only loads code."""
    given = {name: value for name, value in environment.items() if name.removesuffix("_FILE") not in SECRETS}
    return given | _STAND_INS


def read_withheld(name: str, value: str) -> str:
    """``value`` of the secret ``name`` as the process of this environment may see it.

    Raises ``ImproperlyConfigured`` where it holds the value of a secret that is not for it.
    """
    process = os.environ.get("PROCESS", "")
    held = MAY_HOLD.get(process)
    if held is None or name not in SECRETS or name in held:
        return value
    if value and value != WITHHELD:
        raise ImproperlyConfigured(
            f"The process {process} may not hold {name}: leave it out of its environment, or set it to "
            f"{WITHHELD!r}."
        )
    return _STAND_INS.get(name, value)
