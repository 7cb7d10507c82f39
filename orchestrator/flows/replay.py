"""The gates once more, on the block as it was sealed: a verdict that cannot be had again is worth little.

The review is not repeated: what a model said once is evidence, what it would say today is another opinion.
"""

import json
import logging
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from gates import runner
from gates.base import Candidate, GateReport, Policy
from orchestrator.celery import app
from orchestrator.flows import delivery
from orchestrator.flows.blocks import CONTRACT, MODULE, TESTS, Name, previous_contract
from orchestrator.flows.evidence import archive
from orchestrator.flows.evidence.manifest import MANIFEST
from orchestrator.flows.models import Block, Flow, GateReplay, ReplayStatus
from orchestrator.queues import Queue

TASK = "flows.replay_gates"
STUCK_AFTER = timedelta(minutes=15)
log = logging.getLogger(__name__)


def start(flow: Flow, by: str) -> GateReplay:
    """The replay of ``flow`` that is under way, or a new one. A message that was lost is sent again by asking again."""
    try:
        with transaction.atomic():
            replay = GateReplay.objects.create(flow=flow, requested_by=by)
    except IntegrityError:  # one is under way
        stuck = GateReplay.objects.filter(flow=flow, status=ReplayStatus.RUNNING, started_at__lt=timezone.now() - STUCK_AFTER)
        stuck.update(status=ReplayStatus.PENDING, started_at=None)
        newest = newest_of(flow)
        if newest is None:
            raise
        replay = newest
    if replay.status == ReplayStatus.PENDING:
        transaction.on_commit(lambda: _send(replay.pk))
    return replay


def newest_of(flow: Flow) -> GateReplay | None:
    """The last replay of ``flow``."""
    return GateReplay.objects.filter(flow=flow).order_by("-id").first()


def run(replay_id: int) -> None:
    """Run a replay that waits; one that another worker has taken is left to it."""
    now = timezone.now()
    mine = GateReplay.objects.filter(pk=replay_id, status=ReplayStatus.PENDING)
    if mine.update(status=ReplayStatus.RUNNING, started_at=now) != 1:
        return
    comparison = _compare(GateReplay.objects.select_related("flow__block", "flow__repo").get(pk=replay_id).flow)
    still_mine = GateReplay.objects.filter(pk=replay_id, status=ReplayStatus.RUNNING, started_at=now)
    still_mine.update(status=ReplayStatus.DONE, finished_at=timezone.now(), comparison=comparison)


def shown(replay: GateReplay) -> dict[str, Any]:
    """A replay as the API shows it. ``same``: every gate said again what was sealed; null until all have."""
    done = replay.status == ReplayStatus.DONE
    return {
        "flow": replay.flow_id,
        "status": replay.status,
        "same": bool(replay.comparison) and all(row["same"] for row in replay.comparison) if done else None,
        "requested_at": replay.created_at,
        "finished_at": replay.finished_at,
        "comparison": replay.comparison,
    }


def _send(replay_id: int) -> None:
    try:
        app.send_task(TASK, args=(replay_id,), queue=Queue.GATES.value, retry=False)
    except (OperationalError, RedisError, OSError) as error:
        log.warning("replay %s was not sent: %s", replay_id, type(error).__name__)


def _compare(flow: Flow) -> list[dict[str, Any]]:
    files = archive.unpack(delivery.block(flow) or b"")
    manifest = json.loads(files[MANIFEST])
    sealed = {gate["gate"]: gate for gate in manifest["gates"] if gate["gate"] in runner.DEFAULT}
    reports = runner.run(_candidate(flow.block, manifest, files), _policy(manifest["policy"]), tuple(sealed))
    return [_row(sealed[report.gate], report) for report in reports]


def _row(sealed: Mapping[str, Any], report: GateReport) -> dict[str, Any]:
    return {
        "gate": report.gate,
        "sealed": sealed["verdict"],
        "sealed_score": sealed["score"],
        "replayed": str(report.verdict),
        "replayed_score": None if report.score is None else str(report.score),
        "summary": report.summary,
        "same": sealed["verdict"] == str(report.verdict),
    }


def _candidate(block: Block, manifest: Mapping[str, Any], files: Mapping[str, bytes]) -> Candidate:
    name = Name(block.family, block.name)
    texts = {kind: files[path].decode() for kind, path in name.paths.items()}
    models = [call for call in manifest["calls"] if call["stage"] == "implement"]
    return Candidate(
        family=name.family,
        name=name.name,
        module=texts[MODULE],
        tests=texts[TESTS],
        contract=texts[CONTRACT],
        implementer=f"{models[-1]['provider']}:{models[-1]['model']}" if models else "",
        previous_contract=previous_contract(block.repo.name, name, before=block.version),
    )


def _policy(sealed: Mapping[str, str]) -> Policy:
    return Policy(
        mode=sealed["mode"],
        min_unit_coverage=Decimal(sealed["min_unit_coverage"]),
        min_mutation_kill_rate=Decimal(sealed["min_mutation_kill_rate"]),
    )
