"""The flow types of the rolling update: cheap stages on every queue, the calls of models real."""

from orchestrator.flows.flow_types import FlowType, StageSpec
from orchestrator.flows.stage_protocol import Done, StageContext, StageResult
from orchestrator.queues import Queue
from providers.base import Request

MODELS = {"google": "gemini-pro", "anthropic": "claude-sonnet-4-5", "openai": "gpt-4-turbo"}
CALLING = {"scout": "google", "draft": "openai", "critic": "anthropic", "scribe": "google"}
READERS = ("judge", "critic", "scribe")
FLOW_TYPES = (
    FlowType(
        "rolling",
        1,
        (
            StageSpec("scout", Queue.GOOGLE),
            StageSpec("draft", Queue.OPENAI),
            StageSpec("judge", Queue.GATES, needs=("draft",)),
            StageSpec("critic", Queue.ANTHROPIC, needs=("draft",), apart_from=("draft",)),
            StageSpec("scribe", Queue.GOOGLE, needs=("draft",)),
            StageSpec("close", Queue.CONTROL, needs=READERS),
        ),
    ),
    # For the small form, which has workers of two queues only.
    FlowType("rolling_short", 1, (StageSpec("scout", Queue.GOOGLE), StageSpec("close", Queue.CONTROL))),
)
STAGES = {kind: f"bench.rolling_update_plugin:{kind}" for kind in ("scout", "draft", *READERS, "close")}


class Rolling:
    """Asks its model one question, if its kind has one, and passes."""

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def run(self, work: StageContext) -> StageResult:
        """Call, report progress, pass."""
        provider = CALLING.get(self.kind)
        if provider is not None:
            prompt = f"{work.flow_id} {work.stage_id}"
            request = Request(MODELS[provider], "Answer.", prompt, max_output_tokens=64, timeout_seconds=60)
            work.call_model(provider, request)
        work.report_progress("half-way")
        return Done(output={"kind": self.kind})


scout, draft, judge, critic, scribe, close = (Rolling(kind) for kind in ("scout", "draft", *READERS, "close"))
