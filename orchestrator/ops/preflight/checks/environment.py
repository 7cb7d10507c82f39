"""The environment against the runbook's table. Of a secret only whether it is there is ever said."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from django.conf import settings

from orchestrator.ops.preflight.check_protocol import PHASES, ChecklistLine, LineAnswer, ask, judge

_KEYS: Final = {
    "ANTHROPIC_API_KEY": "anthropic",
    "OPENAI_API_KEY": "openai",
    "GOOGLE_API_KEY": "google",
}


@dataclass(frozen=True, slots=True)
class WantedVariable:
    """A row of the table.

    ``is_guard``: another value would let through what the runbook stops, so no person may wave it through.
    """

    name: str
    value: str
    is_guard: bool = False


VARIABLES: Final = (
    # Which model, pool and collector: a deployment's choice, which a person may confirm.
    WantedVariable("ARCHITECT_MODEL", "claude-sonnet-4-5"),
    WantedVariable("IMPLEMENTATION_MODEL", "gpt-4-turbo"),
    WantedVariable("CONTEXT_MODEL", "gemini-pro"),
    WantedVariable("ENABLE_CIRCUIT_BREAKER", "true", is_guard=True),
    WantedVariable("CIRCUIT_BREAKER_THRESHOLD", "85", is_guard=True),
    WantedVariable("CONTEXT_PRUNING_ENABLED", "true", is_guard=True),
    WantedVariable("CONTEXT_MAX_SIZE_KB", "180", is_guard=True),
    WantedVariable("QUALITY_GATE_MODE", "strict", is_guard=True),
    WantedVariable("MIN_MUTATION_KILL_RATE", "60", is_guard=True),
    WantedVariable("MIN_UNIT_COVERAGE", "90", is_guard=True),
    WantedVariable("DB_POOL_SIZE", "200"),
    WantedVariable("DB_MAX_OVERFLOW", "50"),
    WantedVariable("OTEL_EXPORTER_OTLP_ENDPOINT", "http://otel-collector:4317"),
)
# Of these a stricter value passes, too.
_MAY_BE_MORE: Final = {"MIN_MUTATION_KILL_RATE", "MIN_UNIT_COVERAGE"}
_MAY_BE_LESS: Final = {"CIRCUIT_BREAKER_THRESHOLD", "CONTEXT_MAX_SIZE_KB"}


def name_line(variable: str) -> str:
    """The key of the line of a variable."""
    return f"env-{variable.lower().replace('_', '-')}"


class EnvironmentCheck:
    """Compares the settings that this process has read."""

    section = "Environment Variables (FlowEngine Deployment)"
    phases = PHASES
    lines = (
        *(ChecklistLine(name_line(name), f"{name} from a secret") for name in _KEYS),
        *(ChecklistLine(name_line(one.name), f"{one.name}={one.value}") for one in VARIABLES),
    )

    def look(self) -> Iterator[LineAnswer]:
        """First the keys, then the values."""
        for name, provider in _KEYS.items():
            # The web process is told that a key exists and not what it is; that is enough here.
            is_there = bool(settings.PROVIDERS[provider]["api_key"])
            yield judge(
                name_line(name),
                is_there,
                "is set" if is_there else "is not set",
                f"Put the key into the secret model-api-keys, and set {name} or {name}_FILE from it.",
            )
        for wanted in VARIABLES:
            yield self._compare(wanted)

    def _compare(self, wanted: WantedVariable) -> LineAnswer:
        value = _write_value(getattr(settings, wanted.name))
        key, found = name_line(wanted.name), f"is {value or 'not set'}"
        if _is_good(wanted, value):
            return judge(key, True, found, "")
        cure = f"Set {wanted.name}={wanted.value} and restart."
        # Fails closed: nobody can wave through a gate that was switched off.
        if wanted.is_guard:
            return judge(key, False, found, cure)
        return ask(key, found, f"{cure} Or confirm that this deployment differs on purpose.")


def _write_value(value: Any) -> str:
    """A setting as the environment writes it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _is_good(wanted: WantedVariable, value: str) -> bool:
    if wanted.name in _MAY_BE_MORE:
        return int(value) >= int(wanted.value)
    if wanted.name in _MAY_BE_LESS:
        return int(value) <= int(wanted.value)
    return value == wanted.value


CHECK = EnvironmentCheck()
