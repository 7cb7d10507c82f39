"""The product's flow type with stages that wait in simulated time in place of work, and vendors that fail.

Times, tokens and repairs are those of ``two_minutes_draws``. Further: one call in a hundred is answered 503
after half its time, and one block in two hundred stays rejected however often it is repaired.
"""

import json
import random
from collections.abc import Callable
from typing import Any, Final

from django.db import connection

from bench.two_minutes_draws import SEED, draw_defects, draw_seconds
from bench.two_minutes_plugin import (
    EDIT_TOKENS,
    INPUT_TOKENS,
    MODELS,
    OUTPUT_TOKENS,
    TimedAdapter,
)
from orchestrator.flows.flow_types import SIDE_BY_SIDE, FlowType
from orchestrator.flows.stage_protocol import Done, Repair, StageContext, StageResult
from providers import registry
from providers.base import Adapter, Completion, Overloaded, Request, StopReason, Usage

FAILED_CALLS: Final = 0.01
HOPELESS_BLOCKS: Final = 0.005
FLOW_TYPES = (FlowType("capacity", 1, SIDE_BY_SIDE.stages),)
KINDS: Final = ("context", "plan", "implement", "verify", "review", "docs", "seal")
STAGES = {kind: f"bench.capacity_plugin:{kind}" for kind in KINDS}


class Simulated:
    """How the simulation waits; ``capacity_driver`` sets it."""

    sleep: Callable[[float], None]


class WaitingAdapter(TimedAdapter):
    """A vendor that answers after the simulated time that the prompt names, or fails."""

    def complete(self, request: Request) -> Completion:
        """Wait, then answer or fail."""
        asked: dict[str, Any] = json.loads(request.prompt)
        if random.Random(f"{SEED} failure {request.prompt}").random() < FAILED_CALLS:
            Simulated.sleep(asked["seconds"] / 2)
            raise Overloaded(self.name, "503 Service Unavailable")
        Simulated.sleep(asked["seconds"])
        usage = Usage(input_tokens=INPUT_TOKENS, output_tokens=asked["tokens"])
        return Completion("done", StopReason.END, usage, request.model, "waiting", {})


def get_waiting_adapter(provider: str) -> Adapter:
    """The adapter that stands in for the SDK of ``provider``."""
    return WaitingAdapter(provider)


registry.get_adapter = get_waiting_adapter


class Waiting:
    """Takes its time, then says what the defects of the flow make it say."""

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def run(self, work: StageContext) -> StageResult:
        """Call a model, or wait as the gates do."""
        flow = int(work.feature_request)
        seconds = draw_seconds(flow, self.kind, work.round, edits=True)
        if self.kind in MODELS:
            self._ask(work, seconds)
        elif seconds:
            connection.close()  # back to the pool, as while gates run
            Simulated.sleep(seconds)
        if self._is_rejected(flow, work.round):
            return Repair("Fix it.", "implement", "gate:failed", "It was rejected.", "Fix it.")
        return Done(output={"kind": self.kind})

    def _is_rejected(self, flow: int, number: int) -> bool:
        if self.kind == "verify" and random.Random(f"{SEED} hopeless {flow}").random() < HOPELESS_BLOCKS:
            return True
        defects = draw_defects(flow)
        if self.kind == "verify":
            return number <= defects.gate_rounds
        return self.kind == "review" and number == 1 and defects.review_objects

    def _ask(self, work: StageContext, seconds: float) -> None:
        provider, model = MODELS[self.kind]
        tokens = OUTPUT_TOKENS[self.kind]
        if self.kind == "implement" and work.round > 1:
            tokens = EDIT_TOKENS
        # The attempt is in it: a call that failed is not answered from the ledger.
        asked = {"seconds": seconds, "tokens": tokens, "stage": work.stage_id, "attempt": work.attempt_number}
        work.call_model(
            provider,
            Request(model, "Answer.", json.dumps(asked), max_output_tokens=8_000, timeout_seconds=120),
        )


context, plan, implement, verify = (Waiting(kind) for kind in KINDS[:4])
review, docs, seal = (Waiting(kind) for kind in KINDS[4:])
