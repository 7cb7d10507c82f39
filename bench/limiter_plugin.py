"""A flow type whose only stage asks a model once, for ``bench.limiter_release``."""

from orchestrator.flows.flow_types import FlowType, StageSpec
from orchestrator.flows.stage_protocol import Done, StageContext, StageResult
from orchestrator.queues import Queue
from providers.base import Request

FLOW_TYPES = (FlowType("ask_once", 1, (StageSpec("ask_once", Queue.GOOGLE),)),)
STAGES = {"ask_once": "bench.limiter_plugin:ask_once"}


class AskOnce:
    """One call through limits, ledger and SDK."""

    kind = "ask_once"

    def run(self, work: StageContext) -> StageResult:
        """Ask, and keep nothing."""
        work.call_model(
            "google",
            Request("gemini-2.5-flash", "Answer.", work.flow_id, max_output_tokens=64, timeout_seconds=20),
        )
        return Done()


ask_once = AskOnce()
