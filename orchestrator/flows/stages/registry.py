"""The implementation of each kind of stage.

A stage is one module with an object ``stage`` and one line here. Only workers import those modules, and each
worker only when it first needs one: the web process must not pay for every SDK.
"""

from collections.abc import Mapping

from django.conf import settings

from orchestrator.core.registry import Registry
from orchestrator.flows.stage_protocol import StageImplementation


def _list_plugins() -> dict[str, str]:
    return {name: f"{name}:STAGES" for name in settings.ENGINE_PLUGINS}


# The table of stages that each module in ENGINE_PLUGINS brings.
PLUGIN_STAGES: Registry[Mapping[str, str]] = Registry("engine plugin", {}, plugins=_list_plugins)


def _list_plugin_stages() -> dict[str, str]:
    """Return kind -> ``module:object`` of every plugin; a later plugin replaces an earlier one."""
    stages: dict[str, str] = {}
    for _, lines in PLUGIN_STAGES.items():
        for kind, path in lines.items():
            # A plugin may name the module alone, whose object is then ``stage`` as in this package.
            stages[kind] = path if ":" in path else f"{path}:stage"
    return stages


STAGES: Registry[StageImplementation] = Registry(
    "stage",
    {
        "context": "orchestrator.flows.stages.context:stage",
        "plan": "orchestrator.flows.stages.plan:stage",
        "implement": "orchestrator.flows.stages.implement:stage",
        "verify": "orchestrator.flows.stages.verify:stage",
        "review": "orchestrator.flows.stages.review:stage",
        "docs": "orchestrator.flows.stages.docs:stage",
        "seal": "orchestrator.flows.stages.seal:stage",
    },
    plugins=_list_plugin_stages,
)


def load_stage(kind: str) -> StageImplementation:
    """Return the implementation of ``kind``; raises ``UnknownMember`` where there is none."""
    return STAGES.get(kind)
