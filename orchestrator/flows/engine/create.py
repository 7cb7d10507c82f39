"""A new flow: itself, its stages and its first events, in one statement."""

import hashlib
import json
import uuid
from collections.abc import Mapping
from functools import partial
from typing import Any

from django.conf import settings as env
from django.db import transaction
from psycopg.types.json import Jsonb

from orchestrator.core import database, tracing
from orchestrator.core.redaction import redact_text
from orchestrator.core.sql import load_statements
from orchestrator.flows import flow_types
from orchestrator.flows.engine import broker, repo_limits
from orchestrator.flows.engine.errors import IdempotencyConflict, RepoDisabled
from orchestrator.flows.engine.routes import RouteStep, plan_route
from orchestrator.flows.flow_settings import FlowSettings, complete_settings
from orchestrator.flows.models import Flow, new_flow_id
from orchestrator.repos.models import Repo
from orchestrator.repos.repo_settings import RepoLimits

_SQL = load_statements(__file__)


def create(
    repo: Repo,
    feature_request: str,
    *,
    flow_type: str = "plan_impl_review_docs",
    block_family: str = "",
    snapshot: bytes = b"",
    settings: Mapping[str, Any] | None = None,
    created_by: str = "",
    idempotency_key: str | None = None,
    request_digest: str = "",
    priority: int = 0,
    deadline_seconds: float | None = None,
    limits: RepoLimits | None = None,
) -> Flow:
    """Create a flow of the newest version of ``flow_type`` and, after the commit, send its first stage.

    ``snapshot`` is the repo as ``snapshots.pack`` makes it; the same one is stored once, however many flows
    carry it. The same ``idempotency_key`` in the same repo gives the same flow when ``request_digest`` is the
    same, and raises ``IdempotencyConflict`` when it is another. Without a digest, one of the request is made.
    ``limits`` are what the repo may use: ``RepoLimitReached`` where it may not have one more flow.
    ``RepoDisabled`` where the repo is switched off, at the same moment too.
    ``KeyError``: no such type.
    """
    chosen = flow_types.newest_version(flow_type)
    order = chosen.order
    pinned = complete_settings(settings or {})
    # A value that no stage could read is refused before there is a flow.
    FlowSettings.parse(pinned)
    queues = flow_types.choose_queues(order.stages, pinned)
    carried = hashlib.sha256(snapshot).hexdigest() if snapshot else None
    digest = request_digest or _digest_request(feature_request, flow_type, block_family, carried)
    params: dict[str, Any] = {
        "id": new_flow_id(),
        "repo": repo.pk,
        "repo_name": repo.name,
        "flow_type": chosen.name,
        "version": chosen.version,
        "family": block_family,
        # Rows, pages, models and evidence only see the redacted text.
        "request": redact_text(feature_request)[0],
        "snapshot": carried,
        "packed": snapshot or None,
        "settings": Jsonb(pinned),
        "priority": priority,
        "created_by": created_by,
        "key": idempotency_key or None,
        "digest": digest,
        "nonce_seed": uuid.uuid4(),
        "deadline": float(env.FLOW_DEADLINE_SECONDS if deadline_seconds is None else deadline_seconds),
        "kinds": [spec.kind for spec in order.stages],
        "queues": queues,
        # The edges by the numbers of their stages, which are counted from 1.
        "needing": [number for number, needs in enumerate(order.needs, 1) for _ in needs],
        "needed": [place + 1 for needs in order.needs for place in needs],
        "needs_left": [len(needs) for needs in order.needs],
        "slots": env.QUEUE_SLOTS[queues[0]],
        "created": Jsonb({"by": created_by, "flow_type": chosen.name, "priority": priority}),
    }
    # Every later span of the flow is below this one, so the row carries it to the worker of the next stage.
    with tracing.open_root_span("create flow", {"flow.id": str(params["id"]), "repo": repo.name}):
        params["trace_parent"] = tracing.read_trace_parent()
        made = _insert(repo, params, limits)
    if made[0].id is None:
        if not made[0].enabled:
            raise RepoDisabled(f"{repo} is not enabled for the orchestrator at present.")
        if limits is not None:
            repo_limits.refuse_used(repo, limits, made[0], len(snapshot))
        # The key exists. The other flow is committed, because the insert waited for its transaction.
        return _find_existing_flow(repo, idempotency_key, digest)
    # Otherwise the queue is full or held, and the dispatcher sends the stage in fair order.
    if made[0].sent:
        ids = [row.id for row in made]
        steps = [
            RouteStep(row.id, row.queue, tuple(ids[place] for place in needs))
            for row, needs in zip(made, order.needs, strict=True)
        ]
        route = plan_route(ids[0], steps)
        transaction.on_commit(lambda: broker.send_route(route), robust=True)
    elif (first := order.stages[0]).prepared_on is not None:
        prepare = partial(broker.send_preparation, str(params["id"]), first.kind, first.prepared_on.value)
        transaction.on_commit(prepare, robust=True)
    return _build_flow(repo, params, made[0])


def _insert(repo: Repo, params: Mapping[str, Any], limits: RepoLimits | None) -> list[Any]:
    """The stages that were inserted; one row without an id where nothing was."""
    if limits is None:
        # Bounds that nothing reaches, because nothing is counted.
        unlimited = {"limited": False, "open_flows": 1, "flows_minute": 1, "stored_bytes": 0}
        return database.fetch_rows(_SQL["create_flow"], {**params, **unlimited})
    bounds = {
        "limited": True,
        "open_flows": limits.open_flows,
        "flows_minute": limits.flows_minute,
        "stored_bytes": limits.stored_bytes,
    }
    # In one round trip: who has the lock holds up every other new flow of the repo.
    lock = repo_limits.name_lock(repo)
    return database.fetch_locked_rows(lock, _SQL["create_flow"], {**params, **bounds})


def _build_flow(repo: Repo, params: Mapping[str, Any], row: Any) -> Flow:
    """The row just written, without asking for it again."""
    flow = Flow(
        id=params["id"],
        repo=repo,
        flow_type=params["flow_type"],
        flow_type_version=params["version"],
        block_family=params["family"],
        feature_request=params["request"],
        snapshot_id=params["snapshot"],
        settings=params["settings"].obj,
        priority=params["priority"],
        created_by=params["created_by"],
        idempotency_key=params["key"],
        request_digest=params["digest"],
        trace_parent=params["trace_parent"],
        nonce_seed=params["nonce_seed"],
        created_at=row.created_at,
        deadline_at=row.deadline_at,
    )
    # What Django sets on a row that it has read itself; otherwise a save would insert the flow again.
    flow._state.adding, flow._state.db = False, "default"
    return flow


def _find_existing_flow(repo: Repo, key: str | None, digest: str) -> Flow:
    flow = Flow.objects.select_related("repo").get(repo=repo, idempotency_key=key)
    if flow.request_digest != digest:
        raise IdempotencyConflict(
            f"The key {key!r} already belongs to {flow.pk}, which was asked for something else."
        )
    return flow


def _digest_request(*parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()
