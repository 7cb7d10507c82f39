"""The settings of one flow: complete and pinned at its creation, parsed once for each stage that runs."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.conf import settings as env

from gates.base import Policy
from orchestrator.repos import repo_settings

_BYTES_PER_KB = 1000
_MAX_MODE_CHARACTERS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowSettings:
    """What is in force for one flow.

    ``gates`` is the stricter of the pinned policy and the one of this process's environment.
    ``fallback_model`` is empty where no model stands in for another. ``efforts``: kind of a stage to how much
    its model should think, empty for the vendor's default.
    """

    architect_model: str
    implementation_model: str
    context_model: str
    fallback_model: str
    efforts: Mapping[str, str]
    gates: Policy
    context_max_bytes: int
    context_pruning: bool
    max_cost_usd: Decimal
    max_repair_rounds: int

    @classmethod
    def parse(cls, pinned: Mapping[str, Any]) -> "FlowSettings":
        """The settings in the JSON of a flow; raises ``SettingRefused`` for a value of the wrong kind or out
        of bounds.
        """
        # Rows from before every key was pinned lack some; they get what a new flow gets.
        complete = complete_settings(pinned)

        def read(key: str) -> Any:
            return repo_settings.find_key(key).parse(complete[key])

        return cls(
            architect_model=read("architect.model"),
            implementation_model=read("implementation.model"),
            context_model=read("context.model"),
            fallback_model=read("fallback.model"),
            efforts={
                kind: read(f"effort.{kind}").replace("default", "") for kind in repo_settings.ASKING_STAGES
            },
            gates=Policy(
                mode=_stricter_mode(
                    env.QUALITY_GATE_MODE, str(complete["gates.mode"])[:_MAX_MODE_CHARACTERS]
                ),
                min_unit_coverage=Decimal(max(env.MIN_UNIT_COVERAGE, read("gates.min_unit_coverage"))),
                min_mutation_kill_rate=Decimal(
                    max(env.MIN_MUTATION_KILL_RATE, read("gates.min_mutation_kill_rate"))
                ),
                capabilities=_allowed_capabilities(read("gates.capabilities")),
            ),
            context_max_bytes=read("context.max_size_kb") * _BYTES_PER_KB,
            context_pruning=read("context.pruning.enabled"),
            max_cost_usd=_parse_ceiling(complete["flow.max_cost_usd"]),
            max_repair_rounds=read("max_repair_rounds"),
        )


def complete_settings(chosen: Mapping[str, Any]) -> dict[str, Any]:
    """``chosen`` with the environment's value for each key that it leaves out or leaves ``None``."""
    given = {key: value for key, value in chosen.items() if value is not None}
    return {**repo_settings.read_environment(), **given}


def _allowed_capabilities(pinned: str) -> frozenset[str]:
    """What the flow was created with, as far as the operator still allows it."""
    return frozenset(pinned.split(",")) & frozenset(env.BLOCK_CAPABILITIES.split(",")) - {""}


def _parse_ceiling(pinned: Any) -> Decimal:
    # Nobody may set 0 for a repo, but an operator may in the environment, so that no flow spends anything.
    if re.fullmatch(r"0+(\.0*)?", str(pinned)):
        return Decimal(0)
    return Decimal(repo_settings.find_key("flow.max_cost_usd").parse(pinned))


def _stricter_mode(floor: str, pinned: str) -> str:
    return max(floor, pinned, key=_rank_mode)


def _rank_mode(mode: str) -> int:
    # An unknown word counts as the strictest: in doubt, nothing passes unjudged.
    return repo_settings.MODES.index(mode) if mode in repo_settings.MODES else len(repo_settings.MODES)
