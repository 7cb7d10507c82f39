"""Flow types of the engine's benchmark: nothing, a short sleep, and real model calls to the simulator with
real latencies.
"""

import time

from bench.engine_latencies import NAP_SECONDS
from orchestrator.flows.flow_types import FlowType, StageSpec
from orchestrator.flows.stage_protocol import Done, StageContext, StageResult
from orchestrator.queues import Queue
from providers.base import Request

MODELS = {"google": "gemini-pro", "anthropic": "claude-sonnet-4-5", "openai": "gpt-4-turbo"}
FOUR = (Queue.GOOGLE, Queue.ANTHROPIC, Queue.OPENAI, Queue.CONTROL)
BRANCHES = ("branch_anthropic", "branch_openai", "branch_google")
FLOW_TYPES = (
    FlowType("noop", 1, tuple(StageSpec("noop", queue) for queue in FOUR)),
    FlowType(
        "forked",
        1,
        (
            StageSpec("fork", Queue.GOOGLE),
            *(
                StageSpec(f"branch_{queue}", queue, needs=("fork",))
                for queue in (Queue.ANTHROPIC, Queue.OPENAI, Queue.GOOGLE)
            ),
            StageSpec("join", Queue.CONTROL, needs=BRANCHES),
        ),
    ),
    FlowType("nap", 1, (StageSpec("nap", Queue.GOOGLE),)),
    FlowType(
        "modelled",
        1,
        tuple(
            StageSpec(f"ask_{queue}", queue)
            for queue in (Queue.GOOGLE, Queue.ANTHROPIC, Queue.OPENAI, Queue.ANTHROPIC)
        ),
    ),
)
STAGES = {
    **dict.fromkeys(("noop", "fork", *BRANCHES, "join"), "bench.engine_plugin:noop"),
    "nap": "bench.engine_plugin:nap",
    **{f"ask_{name}": f"bench.engine_plugin:ask_{name}" for name in MODELS},
}


class Noop:
    """Does nothing."""

    kind = "noop"

    def run(self, work: StageContext) -> StageResult:
        """Pass at once."""
        return Done()


class Nap:
    """Holds its slot for a moment."""

    kind = "nap"

    def run(self, work: StageContext) -> StageResult:
        """Sleep, then pass."""
        time.sleep(NAP_SECONDS)
        return Done()


class Ask:
    """One call of a model, through limits, ledger and SDK."""

    def __init__(self, provider: str) -> None:
        self.kind, self.provider = f"ask_{provider}", provider

    def run(self, work: StageContext) -> StageResult:
        """Ask, and keep nothing."""
        prompt = f"{work.flow_id} {work.stage_id}"
        work.call_model(
            self.provider,
            Request(MODELS[self.provider], "Answer.", prompt, max_output_tokens=64, timeout_seconds=120),
        )
        return Done()


noop, nap = Noop(), Nap()
ask_google, ask_anthropic, ask_openai = Ask("google"), Ask("anthropic"), Ask("openai")
