"""Examples for the buckets of the duration histogram: from a slow bucket to the trace of a flow in it."""

from collections.abc import Sequence
from typing import Final

from prometheus_client.samples import Exemplar

from orchestrator.core import tracing
from orchestrator.flows.models import Flow

_NEWEST: Final = 200
Examples = dict[tuple[str, str], Exemplar]


def find_examples(bounds: Sequence[float]) -> Examples:
    """The newest traced flow of each repo and bucket, by repo and the bucket's label.

    Looks at the newest 200 flows that passed: a scrape must stay cheap, and an old trace is deleted anyway.
    """
    if not tracing.is_on():
        return {}
    newest = Flow.objects.filter(status="passed").order_by("-id").select_related("repo")[:_NEWEST]
    examples: Examples = {}
    for flow in newest.only("id", "created_at", "finished_at", "trace_parent", "repo__name"):
        if not flow.trace_id or flow.finished_at is None:
            continue
        seconds = (flow.finished_at - flow.created_at).total_seconds()
        bucket = next((str(bound) for bound in bounds if seconds <= bound), "+Inf")
        example = Exemplar({"trace_id": flow.trace_id}, seconds, flow.finished_at.timestamp())
        # The newest comes first, and stays.
        examples.setdefault((flow.repo.name, bucket), example)
    return examples
