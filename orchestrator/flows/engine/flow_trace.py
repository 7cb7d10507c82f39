"""The span of a whole flow, ``orchestrator_flow``: begun by one process, ended by another.

A flow outlives every process, so no process holds its span open. Its id follows from the span that created
the flow, so that stages can name it as their parent before it exists; it is sent once, with its times from
the database, by the process that ends the flow. A retry begins a span, and a trace, of its own.
"""

import hashlib
from functools import partial
from typing import Final

from django.db import transaction

from orchestrator.core import tracing
from orchestrator.flows.models import Flow, FlowEvent

NAME: Final = "orchestrator_flow"
_BEGINNINGS: Final = ("flow.created", "flow.retried")


def find_flow_span(trace_parent: str) -> str:
    """The ``traceparent`` of the span of the flow; empty where the flow is not traced."""
    if not tracing.is_trace_parent(trace_parent):
        return ""
    return f"{trace_parent[:36]}{_choose_span_id(trace_parent)}-01"


def record_end_after_commit(flow_id: str) -> None:
    """The caller ends the flow in its transaction; its span is sent once that is committed."""
    if tracing.is_on():
        transaction.on_commit(partial(_record_end, flow_id), robust=True)


def _record_end(flow_id: str) -> None:
    flow = Flow.objects.select_related("repo").get(pk=flow_id)
    # A flow that is not traced, or one that somebody has brought back already.
    if not flow.trace_parent or flow.finished_at is None:
        return
    begun = FlowEvent.objects.filter(flow=flow_id, kind__in=_BEGINNINGS).order_by("-id").first()
    attributes: dict[str, tracing.AttributeValue] = {
        # The runbook's two names come first.
        "flow_type": flow.flow_type,
        "block_family": flow.block_family,
        "flow.id": flow.pk,
        "flow.status": flow.status,
        "flow.cost_usd": float(flow.cost_usd),
        "repo": flow.repo.name,
    }
    if flow.error_code:
        attributes["error.type"] = flow.error_code
    tracing.record_span(
        NAME,
        span_id=_choose_span_id(flow.trace_parent),
        parent=flow.trace_parent,
        times=(flow.created_at if begun is None else begun.created_at, flow.finished_at),
        attributes=attributes,
    )


def _choose_span_id(trace_parent: str) -> str:
    """16 hexadecimal digits that only this flow's span has in its trace, and never all zeros."""
    digest = hashlib.sha256(f"{NAME} {trace_parent}".encode()).hexdigest()
    return f"{int(digest[:16], 16) or 1:016x}"
