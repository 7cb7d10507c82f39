"""Which module implements which kind of stage. Modules are imported by the workers only, when first needed.

A stage is one module with an object ``stage`` and one line here.
"""

from functools import cache
from importlib import import_module

from django.conf import settings

from orchestrator.flows.stage_protocol import StageImplementation

STAGES: dict[str, str] = {
    "context": "orchestrator.flows.stages.context",
    "plan": "orchestrator.flows.stages.plan",
    "implement": "orchestrator.flows.stages.implement",
    "verify": "orchestrator.flows.stages.verify",
    "review": "orchestrator.flows.stages.review",
    "docs": "orchestrator.flows.stages.docs",
    "seal": "orchestrator.flows.stages.seal",
}


@cache
def load_stage(kind: str) -> StageImplementation:
    """The implementation of ``kind``: the object ``stage`` of its module, or ``module:object``. Raises ``LookupError``."""
    known = dict(STAGES)
    for plugin in settings.ENGINE_PLUGINS:
        known |= import_module(plugin).STAGES
    if kind not in known:
        raise LookupError(f"no module implements the stage {kind}")
    module, _, name = known[kind].partition(":")
    found: StageImplementation = getattr(import_module(module), name or "stage")
    return found
