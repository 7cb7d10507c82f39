"""The product's flow types with stages that take time in place of work: calls pass limits and ledger, and the
adapter waits as long as the draw says.
"""

import json
import time
from typing import Any

from django.db import connection

from bench.two_minutes_draws import SCALE, draw_defects, draw_seconds
from orchestrator.flows.flow_types import ONE_BY_ONE, SIDE_BY_SIDE, FlowType
from orchestrator.flows.stage_protocol import Done, Repair, StageContext, StageResult
from providers import registry
from providers.base import Adapter, Completion, Request, StopReason, Usage

FLOW_TYPES = (
    FlowType("one_by_one", 1, ONE_BY_ONE.stages),
    FlowType("side_by_side", 1, SIDE_BY_SIDE.stages),
)
MODELS = {
    "context": ("google", "gemini-pro"),
    "plan": ("anthropic", "claude-sonnet-4-5"),
    "implement": ("openai", "gpt-4-turbo"),
    "review": ("anthropic", "claude-sonnet-4-5"),
    "docs": ("google", "gemini-pro"),
}
INPUT_TOKENS = 20_000
OUTPUT_TOKENS = {"context": 800, "plan": 2_500, "implement": 6_500, "review": 1_500, "docs": 1_800}
EDIT_TOKENS = 2_200
STAGES = {
    kind: f"bench.two_minutes_plugin:{kind}"
    for kind in ("context", "plan", "implement", "verify", "review", "docs", "seal")
}


class TimedAdapter:
    """A vendor that answers after the time, and with the tokens, that the prompt names."""

    def __init__(self, name: str) -> None:
        self.name = name

    def complete(self, request: Request) -> Completion:
        """Wait, then answer."""
        asked: dict[str, Any] = json.loads(request.prompt)
        time.sleep(asked["seconds"])
        usage = Usage(input_tokens=INPUT_TOKENS, output_tokens=asked["tokens"])
        return Completion("done", StopReason.END, usage, request.model, "timed", {})

    def count_tokens(self, request: Request) -> int:
        """The tokens of the input."""
        return INPUT_TOKENS

    def request_bytes(self, request: Request) -> int:
        """A bound of the tokens of the input."""
        return 4 * INPUT_TOKENS

    def close(self) -> None:
        """Nothing is open."""


def get_timed_adapter(provider: str) -> Adapter:
    """The adapter that stands in for the SDK of ``provider`` in the processes of this benchmark."""
    return TimedAdapter(provider)


registry.get_adapter = get_timed_adapter


class Timed:
    """Takes its time, then says what the defects of the flow make it say."""

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def run(self, work: StageContext) -> StageResult:
        """Call a model, or sleep as the gates."""
        asked = json.loads(work.feature_request)
        flow, edits = asked["flow"], asked["edits"]
        # The number that a reviewer has of its own while the gates go round without it.
        seconds = SCALE * draw_seconds(flow, self.kind, work.round, edits=edits)
        if self.kind in MODELS:
            self._ask(work, seconds, edits=edits)
        else:
            connection.close()  # back to the pool, as while gates run
            time.sleep(seconds)
        defects = draw_defects(flow)
        objects = self.kind == "verify" and work.round <= defects.gate_rounds
        objects = objects or (self.kind == "review" and work.round == 1 and defects.review_objects)
        if objects:
            return Repair("Fix it.", "implement", "gate:failed", "It was rejected.", "Fix it.")
        return Done(output={"kind": self.kind})

    def _ask(self, work: StageContext, seconds: float, *, edits: bool) -> None:
        provider, model = MODELS[self.kind]
        tokens = OUTPUT_TOKENS[self.kind]
        if self.kind == "implement" and work.round > 1 and edits:
            tokens = EDIT_TOKENS
        prompt = json.dumps({"seconds": seconds, "tokens": tokens, "stage": work.stage_id})
        work.call_model(
            provider, Request(model, "Answer.", prompt, max_output_tokens=8_000, timeout_seconds=600)
        )


context, plan, implement, verify = Timed("context"), Timed("plan"), Timed("implement"), Timed("verify")
review, docs, seal = Timed("review"), Timed("docs"), Timed("seal")
