"""Flow types: tables of stages.

A flow keeps the name and version of its type, so that a deploy does not change it while it runs. A new
version of a type is a new entry beside the old one; delete an entry only when no flow of that version is
unfinished.
"""

from dataclasses import dataclass
from functools import cache

from django.conf import settings

from orchestrator.core.registry import Registry
from orchestrator.queues import Queue


@dataclass(frozen=True, slots=True)
class StageSpec:
    """One step of a flow type. ``apart_from`` names kinds whose providers must not serve this one's calls."""

    kind: str
    queue: Queue
    apart_from: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FlowType:
    """A table of stages, run in order."""

    name: str
    version: int
    stages: tuple[StageSpec, ...]

    def spec(self, kind: str) -> StageSpec:
        """The stage of ``kind``; raises ``KeyError``."""
        for spec in self.stages:
            if spec.kind == kind:
                return spec
        raise KeyError(f"{self.name} version {self.version} has no stage {kind}")


PLAN_IMPL_REVIEW_DOCS = FlowType(
    name="plan_impl_review_docs",
    version=1,
    stages=(
        StageSpec("context", Queue.GOOGLE),
        StageSpec("plan", Queue.ANTHROPIC),
        StageSpec("implement", Queue.OPENAI),
        StageSpec("verify", Queue.GATES),
        StageSpec("review", Queue.ANTHROPIC, apart_from=("implement",)),
        StageSpec("docs", Queue.GOOGLE),
        StageSpec("seal", Queue.CONTROL),
    ),
)
FLOW_TYPES: dict[str, FlowType] = {PLAN_IMPL_REVIEW_DOCS.name: PLAN_IMPL_REVIEW_DOCS}
"""The newest version of every type, by name: what a new flow gets."""
# Old versions are listed too: flows that started with one end with it.
BUILT_IN: tuple[FlowType, ...] = (PLAN_IMPL_REVIEW_DOCS,)


def _list_plugins() -> dict[str, str]:
    return {name: f"{name}:FLOW_TYPES" for name in settings.ENGINE_PLUGINS}


# Plugins are asked after the product, so a plugin can replace a version by its name and number.
SOURCES: Registry[tuple[FlowType, ...]] = Registry(
    "source of flow types", {"orchestrator": "orchestrator.flows.flow_types:BUILT_IN"}, plugins=_list_plugins
)


# Every delivery of a stage asks for its flow type, and a running process never gets another plugin.
@cache
def _known_versions() -> dict[tuple[str, int], FlowType]:
    known: dict[tuple[str, int], FlowType] = {}
    for _, flow_types in SOURCES.items():
        for flow_type in flow_types:
            known[flow_type.name, flow_type.version] = flow_type
    return known


def newest_version(name: str) -> FlowType:
    """The newest version of the type ``name``; raises ``KeyError``."""
    versions = [flow_type for (known, _), flow_type in _known_versions().items() if known == name]
    if not versions:
        raise KeyError(f"there is no flow type {name}")
    return max(versions, key=lambda flow_type: flow_type.version)


def pinned_version(name: str, version: int) -> FlowType:
    """Exactly this version of a type; raises ``KeyError`` where a deploy has dropped it."""
    return _known_versions()[name, version]


def kinds_on_queue(queue: str) -> frozenset[str]:
    """The kinds of stages that any known type runs on ``queue``."""
    return frozenset(
        spec.kind
        for flow_type in _known_versions().values()
        for spec in flow_type.stages
        if spec.queue == queue
    )
