"""Flow types: tables of stages, each of which names the stages that it needs.

A flow keeps the name and version of its type, so that a deploy does not change it while it runs. A new
version of a type is a new entry beside the old one; delete an entry only when no flow of that version is
unfinished.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from graphlib import CycleError, TopologicalSorter
from types import MappingProxyType
from typing import Any, Final

from django.conf import settings

from orchestrator.core.registry import Registry
from orchestrator.queues import Queue
from providers.registry import find_compatible


class FlowTypeRefused(ValueError):
    """A table of stages is not a way from one first stage to one last stage. The message names the
    mistake.
    """


@dataclass(frozen=True, slots=True)
class StageSpec:
    """One step of a flow type.

    ``needs`` names the kinds that must have passed before it starts; without it, the stage needs the one
    above it in the table. ``apart_from`` names kinds whose providers must not serve this one's calls.
    ``prepared_on``: workers of this queue do ahead what of the stage costs no call, while the flow waits for
    its first slot or, with ``prepared_with``, when a stage of that kind begins.
    """

    kind: str
    queue: Queue
    needs: tuple[str, ...] | None = None
    apart_from: tuple[str, ...] = ()
    prepared_on: Queue | None = None
    prepared_with: str = ""


@dataclass(frozen=True, slots=True)
class StageOrder:
    """The stages of a type in an order in which each comes after what it needs.

    ``needs`` has for each stage the places in ``stages`` of those that it needs.
    """

    stages: tuple[StageSpec, ...]
    needs: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True)
class FlowType:
    """A table of stages. Raises ``FlowTypeRefused`` for one that has no order, no single first or no single
    last stage.
    """

    name: str
    version: int
    stages: tuple[StageSpec, ...]

    def __post_init__(self) -> None:
        _order_stages(self)

    @property
    def order(self) -> StageOrder:
        """The stages in order, with what each needs."""
        return _order_stages(self)

    def spec(self, kind: str) -> StageSpec:
        """The stage of ``kind``; raises ``KeyError``."""
        for spec in self.stages:
            if spec.kind == kind:
                return spec
        raise KeyError(f"{self.name} version {self.version} has no stage {kind}")

    def kinds_before(self, kind: str) -> frozenset[str]:
        """The kinds that have passed when a stage of ``kind`` starts: what it needs, directly or not."""
        return _find_kinds_before(self)[kind]

    def kinds_behind(self, kind: str) -> tuple[str, ...]:
        """``kind`` and the kinds that need it, directly or not, in order."""
        before = _find_kinds_before(self)
        return tuple(
            spec.kind for spec in self.order.stages if spec.kind == kind or kind in before[spec.kind]
        )


@cache
def _order_stages(flow_type: FlowType) -> StageOrder:
    """The stages so that each comes after what it needs, otherwise as in the table."""
    edges = _read_edges(flow_type)
    sorter = TopologicalSorter(dict(enumerate(edges)))
    try:
        sorter.prepare()
    except CycleError as error:
        around = " needs ".join(flow_type.stages[place].kind for place in reversed(error.args[1]))
        raise _refuse(flow_type, f"has a cycle: {around}") from None
    places: list[int] = []
    free: list[int] = []
    while sorter.is_active():
        free = sorted({*free, *sorter.get_ready()})
        # One at a time, the first of the table: a stage goes as far up as the table has it.
        place = free.pop(0)
        places.append(place)
        sorter.done(place)
    _check_ends(flow_type, edges)
    needs = [sorted(map(places.index, edges[place])) for place in places]
    return StageOrder(tuple(flow_type.stages[place] for place in places), tuple(map(tuple, needs)))


def _read_edges(flow_type: FlowType) -> list[tuple[int, ...]]:
    """For each line of the table the places of the lines that it needs."""
    kinds = [spec.kind for spec in flow_type.stages]
    edges: list[tuple[int, ...]] = []
    for place, spec in enumerate(flow_type.stages):
        if spec.needs is None:
            edges.append((place - 1,) if place else ())
            continue
        for name in spec.needs:
            if kinds.count(name) != 1:
                known = "has no such stage" if name not in kinds else "has several stages of that kind"
                raise _refuse(flow_type, f"{known}: {spec.kind} needs {name}")
        edges.append(tuple(kinds.index(name) for name in dict.fromkeys(spec.needs)))
    return edges


def _check_ends(flow_type: FlowType, edges: list[tuple[int, ...]]) -> None:
    """A flow starts with one stage, and has passed when its one last stage has."""
    needed = {place for needs in edges for place in needs}
    first = [spec.kind for spec, needs in zip(flow_type.stages, edges, strict=True) if not needs]
    last = [spec.kind for place, spec in enumerate(flow_type.stages) if place not in needed]
    for found, what in ((first, "need nothing"), (last, "are needed by none")):
        if len(found) != 1:
            which = ", ".join(found) or "no stages"
            raise _refuse(flow_type, f"must have one first and one last stage, but {which} {what}")


def _refuse(flow_type: FlowType, why: str) -> FlowTypeRefused:
    return FlowTypeRefused(
        f"The flow type {flow_type.name} version {flow_type.version} {why}. "
        "Correct `needs` in its table of stages."
    )


@cache
def _find_kinds_before(flow_type: FlowType) -> dict[str, frozenset[str]]:
    """Kind to every kind that it needs, directly or not."""
    order = flow_type.order
    before: list[frozenset[str]] = []
    for needs in order.needs:
        direct = frozenset(order.stages[place].kind for place in needs)
        before.append(direct.union(*(before[place] for place in needs)))
    found: dict[str, frozenset[str]] = {}
    for spec, kinds in zip(order.stages, before, strict=True):
        found[spec.kind] = found.get(spec.kind, frozenset()) | kinds
    return found


DEFAULT_NAME = "plan_impl_review_docs"
_FIRST_STAGES = (
    StageSpec("context", Queue.GOOGLE, prepared_on=Queue.CONTROL),
    StageSpec("plan", Queue.ANTHROPIC),
    StageSpec("implement", Queue.OPENAI),
)
# One after the other. Flows that began so end so.
ONE_BY_ONE = FlowType(
    name=DEFAULT_NAME,
    version=1,
    stages=(
        *_FIRST_STAGES,
        StageSpec("verify", Queue.GATES, prepared_on=Queue.GATES, prepared_with="plan"),
        StageSpec("review", Queue.ANTHROPIC, apart_from=("implement",)),
        StageSpec("docs", Queue.GOOGLE),
        StageSpec("seal", Queue.CONTROL),
    ),
)
# The three that only read the files of the implementer run side by side.
SIDE_BY_SIDE = FlowType(
    name=DEFAULT_NAME,
    version=2,
    stages=(
        *_FIRST_STAGES,
        StageSpec("verify", Queue.GATES, needs=("implement",), prepared_on=Queue.GATES, prepared_with="plan"),
        StageSpec("review", Queue.ANTHROPIC, needs=("implement",), apart_from=("implement",)),
        StageSpec("docs", Queue.GOOGLE, needs=("implement",)),
        StageSpec("seal", Queue.CONTROL, needs=("verify", "review", "docs")),
    ),
)
# Old versions are listed too: flows that started with one end with it.
BUILT_IN: tuple[FlowType, ...] = (ONE_BY_ONE, SIDE_BY_SIDE)


def _list_plugins() -> dict[str, str]:
    return {name: f"{name}:FLOW_TYPES" for name in settings.ENGINE_PLUGINS}


# Plugins are asked after the product, so a plugin can replace a version by its name and number.
SOURCES: Registry[tuple[FlowType, ...]] = Registry(
    "source of flow types", {"orchestrator": "orchestrator.flows.flow_types:BUILT_IN"}, plugins=_list_plugins
)


def _known_versions() -> dict[tuple[str, int], FlowType]:
    return _read_versions(settings.ENGINE_PLUGINS)


# Every delivery of a stage asks for its flow type. A forked process may have other plugins than the one it
# was forked from.
@cache
def _read_versions(plugins: tuple[str, ...]) -> dict[tuple[str, int], FlowType]:  # noqa: ARG001 - the key
    known: dict[tuple[str, int], FlowType] = {}
    for _, flow_types in SOURCES.items():
        for flow_type in flow_types:
            known[flow_type.name, flow_type.version] = flow_type
    return known


def load_flow_types() -> None:
    """Load every flow type; raises ``FlowTypeRefused``, so that a wrong table stops the process that
    starts.
    """
    _known_versions()


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


# The setting that names the model of each kind of stage that asks one.
MODEL_KEYS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "context": "context.model",
        "plan": "architect.model",
        "implement": "implementation.model",
        "review": "architect.model",
        "docs": "context.model",
    }
)


def choose_queues(specs: Iterable[StageSpec], pinned: Mapping[str, Any]) -> list[str]:
    """The queues of stages of a flow with the settings ``pinned``, in the order of ``specs``.

    A compatible server has a queue of its own, so that a slow one holds up no call to another.
    """
    return [_choose_queue(spec, pinned) for spec in specs]


def _choose_queue(spec: StageSpec, pinned: Mapping[str, Any]) -> str:
    if settings.COMPATIBLE_PROVIDERS and spec.kind in MODEL_KEYS:
        # Rows from before every key was pinned lack some; their stages keep the queue of the type.
        server = find_compatible(str(pinned.get(MODEL_KEYS[spec.kind]) or ""))
        if server is not None:
            return server
    return spec.queue.value
