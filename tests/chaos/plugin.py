"""The flow type of the chaos runs: cheap stages that call models for real, on every queue, with every way to
end.

What else a stage does is written in the feature request: lines of ``kind: verb argument``. ``CHAOS_VERSION``
says how many versions of the type this process's code knows: every second one has a stage more.
"""

import os
import threading
import time
from datetime import UTC, datetime, timedelta

from gates.base import GateReport, Verdict
from orchestrator.core.redaction import redact_file
from orchestrator.flows.flow_types import FlowType, StageSpec
from orchestrator.flows.stage_protocol import (
    Done,
    Failed,
    NewArtifact,
    Park,
    Repair,
    StageContext,
    StageResult,
)
from orchestrator.queues import Queue
from providers.base import Request

MODELS = {"google": "gemini-pro", "anthropic": "claude-sonnet-4-5", "openai": "gpt-4-turbo"}
CALLING = {"scout": "google", "draft": "openai", "critic": "anthropic", "scribe": "google"}
HOSTILE_BYTES = 150_000
READERS = ("judge", "critic", "scribe")


def stages_of(version: int) -> tuple[StageSpec, ...]:
    """The stages of one version of the type: three of them run side by side, as in the product's."""
    longer = version % 2 == 0
    return (
        StageSpec("scout", Queue.GOOGLE),
        StageSpec("draft", Queue.OPENAI),
        StageSpec("judge", Queue.GATES, needs=("draft",)),
        StageSpec("critic", Queue.ANTHROPIC, needs=("draft",), apart_from=("draft",)),
        StageSpec("scribe", Queue.GOOGLE, needs=("draft",)),
        *((StageSpec("encore", Queue.CONTROL, needs=READERS),) if longer else ()),
        StageSpec("close", Queue.CONTROL, needs=("encore",) if longer else READERS),
    )


FLOW_TYPES = tuple(
    FlowType("chaos", version, stages_of(version))
    for version in range(1, int(os.environ.get("CHAOS_VERSION", "1")) + 1)
)
STAGES = {kind: f"tests.chaos.plugin:{kind}" for kind in ("scout", "draft", *READERS, "encore", "close")}


class Scripted:
    """Follows the script; a kind in ``CALLING`` asks its model one question first."""

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def run(self, work: StageContext) -> StageResult:
        """Call, write an event, do what the script says."""
        said = {}
        if self.kind in CALLING:
            provider = CALLING[self.kind]
            title = work.feature_request.splitlines()[0].removeprefix("# ")
            mark = f"[blocks stage={self.kind} round={work.round} nonce={work.nonce}]"
            prompt = f"{mark}\n<feature_request>\n# {title}\n</feature_request>"
            completion = work.call_model(provider, Request(MODELS[provider], "You answer.", prompt, 200, 5))
            said = {"text": completion.text, "tokens": completion.usage.total}
        work.report_progress("half-way")
        script = dict(line.split(": ", 1) for line in work.feature_request.splitlines() if ": " in line)
        verb, _, argument = script.get(self.kind, "pass").partition(" ")
        result: StageResult = getattr(self, f"_{verb}")(work, argument, said)
        return result

    def _pass(self, work: StageContext, argument: str, said: dict[str, object]) -> StageResult:
        if self.kind == "close":
            return Done(output={"closed": True})
        body = f"{work.kind} round {work.round}".encode()
        gates = (GateReport("review", Verdict.PASSED, "Fine."),) if self.kind == "judge" else ()
        return Done(output=said, artifacts=(NewArtifact("answer", "answer.txt", body),), gates=gates)

    def _sleep(self, work: StageContext, argument: str, said: dict[str, object]) -> StageResult:
        until = time.monotonic() + float(argument)
        while time.monotonic() < until:
            threading.Event().wait(0.1)
            work.report_progress("still at it")
        return self._pass(work, "", said)

    def _park(self, work: StageContext, argument: str, said: dict[str, object]) -> StageResult:
        if work.attempt_number > 1:
            return self._pass(work, "", said)
        return Park("chaos", datetime.now(UTC) + timedelta(seconds=float(argument)))

    def _repair(self, work: StageContext, argument: str, said: dict[str, object]) -> StageResult:
        if work.round > int(argument):
            return self._pass(work, "", said)
        return Repair("again", "draft", "gate:review-failed", "The review gate failed.", "Fix it.")

    def _redact(self, work: StageContext, argument: str, said: dict[str, object]) -> StageResult:
        redact_file("hostile.py", argument * (HOSTILE_BYTES // len(argument)))
        return self._pass(work, "", said)

    def _flaky(self, work: StageContext, argument: str, said: dict[str, object]) -> StageResult:
        if work.attempt_number > int(argument):
            return self._pass(work, "", said)
        return Failed("chaos:flaky", "Not yet.", "Wait.", retryable=True)

    def _fail(self, work: StageContext, argument: str, said: dict[str, object]) -> StageResult:
        return Failed("chaos:failed", "It failed.", "Nothing.")


scout, draft, judge, critic, scribe, encore, close = (
    Scripted(kind) for kind in ("scout", "draft", *READERS, "encore", "close")
)
