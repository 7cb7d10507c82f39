"""The queue of a stage: the one of its flow type, unless its model is on a server with a queue of its own.

Each compatible server (``COMPATIBLE_PROVIDERS``) has one, so that a slow one holds up no call to another.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final

from django.conf import settings

from orchestrator.flows.flow_types import StageSpec
from providers.registry import find_compatible

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
    """The queues of stages of a flow with the settings ``pinned``, in the order of ``specs``."""
    return [_choose_queue(spec, pinned) for spec in specs]


def _choose_queue(spec: StageSpec, pinned: Mapping[str, Any]) -> str:
    if settings.COMPATIBLE_PROVIDERS and spec.kind in MODEL_KEYS:
        # Rows from before every key was pinned lack some; their stages keep the queue of the type.
        server = find_compatible(str(pinned.get(MODEL_KEYS[spec.kind]) or ""))
        if server is not None:
            return server
    return spec.queue.value
