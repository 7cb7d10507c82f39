"""What of a stage is done before it starts: the context while its flow waits, the gates' environment while
the plan is written.

It calls no model, so nothing is spent before admission, and it is a courtesy: where it is lost, late or
fails, the stage does the same itself and says what is wrong.
"""

import logging
from functools import cached_property
from typing import Any

from django.db import connection

from orchestrator.flows import engine, flow_types
from orchestrator.flows.engine import broker
from orchestrator.flows.flow_settings import FlowSettings
from orchestrator.flows.models import Stage
from orchestrator.flows.models.states import FLOW_ENDED, StageStatus
from orchestrator.flows.stages.registry import load_stage

NOT_RUNNING = (StageStatus.PENDING, StageStatus.READY, StageStatus.WAITING)
log = logging.getLogger(__name__)


def send_preparations(claim: engine.Claim) -> None:
    """Have those stages prepared whose line in the flow type names the kind that ``claim`` begins."""
    # Only once: a second attempt or round finds what the first has left.
    if claim.round != 1 or claim.attempt_number != 1:
        return
    for spec in flow_types.pinned_version(claim.flow_type, claim.flow_type_version).stages:
        if spec.prepared_with == claim.kind and spec.prepared_on is not None:
            broker.send_preparation(claim.flow_id, spec.kind, spec.prepared_on.value)


def prepare_stage(flow_id: str, kind: str) -> None:
    """Prepare the stage ``kind`` of a flow, unless it runs, has run, or its flow has ended."""
    try:
        stage = (
            Stage.objects.select_related("flow__repo", "flow__snapshot")
            .filter(flow_id=flow_id, kind=kind, round=1, status__in=NOT_RUNNING)
            .first()
        )
        if stage is None or stage.flow.status in FLOW_ENDED or stage.artifacts.exists():
            return
        prepare: Any = getattr(load_stage(kind), "prepare_flow", None)
        if prepare is not None:
            context = EarlyContext(stage)
            kept = prepare(context)
            if kept or context.cloned:
                engine.keep_preparation(flow_id, stage.pk, kept, *context.cloned)
    # The stage meets the same error itself and tells it with its cure. The text may quote anything.
    except Exception as error:  # noqa: BLE001
        log.warning("%s of %s is not prepared: %s", kind, flow_id, type(error).__name__)
    finally:
        connection.close()


class EarlyContext:
    """A ``stage_protocol.PreparationContext`` of a stage that no worker has claimed."""

    def __init__(self, stage: Stage) -> None:
        self._flow = stage.flow
        self.repo = stage.flow.repo.name
        self.feature_request = stage.flow.feature_request
        self.cloned: tuple[bytes, str] | tuple[()] = ()

    @cached_property
    def settings(self) -> FlowSettings:
        """The settings that the flow was created with."""
        return FlowSettings.parse(self._flow.settings)

    @property
    def snapshot(self) -> bytes:
        """The repo that the flow carries."""
        return b"" if self._flow.snapshot is None else bytes(self._flow.snapshot.content)

    @property
    def clone_url(self) -> str:
        """Where the repo may be cloned from."""
        return str(self._flow.repo.clone_url)

    def attach_snapshot(self, snapshot: bytes, origin: str) -> None:
        """Remember it: it is stored with what was made of it, or not at all."""
        self.cloned = (snapshot, origin)

    def report_progress(self, message: str, **data: Any) -> None:
        """Nothing: no stage runs of which it would be the progress."""
