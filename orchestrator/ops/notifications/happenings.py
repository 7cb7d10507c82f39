"""What has happened, as subscribers are told of it: a topic, its facts, and the repo that it concerns.

Ends of flows and verdicts of gates come from triggers, see ``sql/triggers.sql``: the statements of the engine
do not know who listens. Everything else is announced by the code that causes it, in its transaction.
"""

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.utils import timezone

from orchestrator.core.models import OutgoingEvent
from orchestrator.core.outbox import publish_event
from orchestrator.flows import representation
from orchestrator.flows.models import Block, FlowEvent, GateResult
from orchestrator.ops.notifications.models import Topic
from orchestrator.repos.models import Repo

EVENT: Final = "announced"


@dataclass(frozen=True, slots=True)
class Happening:
    """Something to tell of. ``key`` stays the same when it is told again; ``facts`` are JSON values."""

    key: str
    topic: str
    at: datetime
    repo_id: int | None
    facts: Mapping[str, Any]


def announce(topic: Topic, facts: Mapping[str, Any], *, repo: Repo | None = None) -> None:
    """Tell those who subscribed to ``topic``, in the caller's transaction.

    Without a repo it concerns the organisation: webhooks and people of one repo do not hear of it. ``facts``
    has a ``title``, a sentence for people.
    """
    payload = {
        "key": str(uuid.uuid4()),
        "topic": topic.value,
        "at": timezone.now().isoformat(),
        "repo": None if repo is None else repo.pk,
        "facts": dict(facts),
    }
    publish_event(EVENT, payload)


def read_announced(event: OutgoingEvent) -> Iterator[Happening]:
    """What ``announce`` has written."""
    payload = event.payload
    at = datetime.fromisoformat(payload["at"])
    yield Happening(payload["key"], payload["topic"], at, payload["repo"], payload["facts"])


def read_end_of_flow(event: OutgoingEvent) -> Iterator[Happening]:
    """The end of a flow, and the block that it has sealed; nothing where it was deleted."""
    happened = FlowEvent.objects.select_related("flow__repo").filter(pk=event.payload["event"]).first()
    if happened is None:
        return
    flow = happened.flow
    facts = {
        "flow_id": flow.pk,
        "repo": flow.repo.name,
        "status": happened.kind.removeprefix("flow."),
        "title": representation.request_title(flow),
        "cost_usd": representation.format_usd(flow.cost_usd),
        "error_code": str(happened.data.get("code", "")),
        "error_message": str(happened.data.get("reason", "")),
        "error_cure": str(happened.data.get("cure", "")),
    }
    at, repo_id = happened.created_at, flow.repo_id
    # The key of before there were other topics: what was told already is not told again.
    yield Happening(str(happened.pk), happened.kind, at, repo_id, facts)
    block = Block.objects.filter(flow=flow).first()
    if happened.kind == Topic.FLOW_PASSED and block is not None:
        yield Happening(f"block:{block.pk}", Topic.BLOCK_SEALED, at, repo_id, _describe_block(block, facts))


def read_verdict(event: OutgoingEvent) -> Iterator[Happening]:
    """The verdict of a gate; nothing where its flow was deleted."""
    rows = GateResult.objects.select_related("flow__repo")
    result = rows.filter(pk=event.payload["gate_result"]).first()
    if result is None:
        return
    # A gate that could not judge is not one that has passed.
    topic = Topic.GATE_PASSED if result.verdict == "passed" else Topic.GATE_FAILED
    facts = {
        "flow_id": result.flow_id,
        "repo": result.flow.repo.name,
        "gate": result.gate,
        "round": result.round,
        "verdict": result.verdict,
        "score": None if result.score is None else str(result.score),
        "threshold": None if result.threshold is None else str(result.threshold),
        "title": f"{result.gate} {result.verdict}: {result.summary}",
        "cure": result.cure,
    }
    yield Happening(f"gate:{result.pk}", topic, result.created_at, result.flow.repo_id, facts)


def _describe_block(block: Block, flow_facts: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "flow_id": flow_facts["flow_id"],
        "repo": flow_facts["repo"],
        "family": block.family,
        "name": block.name,
        "version": block.version,
        "verified": block.verified,
        "title": f"{block} is sealed.",
        "cost_usd": flow_facts["cost_usd"],
        "block": f"/api/v1/flows/{flow_facts['flow_id']}/block/",
    }
