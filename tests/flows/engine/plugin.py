"""Flow types of fake stages for the tests and the benchmark: the flow's feature request says what a stage
does.
"""

import os
import signal
import threading
import time
from datetime import UTC, datetime, timedelta

from orchestrator.flows.flow_types import FlowType, StageSpec
from orchestrator.flows.stage_protocol import Done, Failed, Park, Repair, StageContext, StageResult
from orchestrator.queues import Queue

FLOW_TYPES = (
    FlowType(
        "noop",
        1,
        (
            StageSpec("noop", Queue.GOOGLE),
            StageSpec("noop", Queue.ANTHROPIC),
            StageSpec("noop", Queue.OPENAI),
            StageSpec("noop", Queue.CONTROL),
        ),
    ),
    FlowType(
        "scripted",
        1,
        (
            StageSpec("first", Queue.GOOGLE),
            StageSpec("second", Queue.GATES),
            StageSpec("third", Queue.CONTROL),
        ),
    ),
    FlowType(
        "forked",
        1,
        (
            StageSpec("first", Queue.GOOGLE),
            StageSpec("left", Queue.GATES, needs=("first",)),
            StageSpec("middle", Queue.ANTHROPIC, needs=("first",)),
            StageSpec("right", Queue.GOOGLE, needs=("first",)),
            StageSpec("third", Queue.CONTROL, needs=("left", "middle", "right")),
        ),
    ),
    FlowType(
        "two_branches",
        1,
        (
            StageSpec("first", Queue.GOOGLE),
            StageSpec("left", Queue.GATES, needs=("first",)),
            StageSpec("right", Queue.CONTROL, needs=("first",)),
            StageSpec("third", Queue.CONTROL, needs=("left", "right")),
        ),
    ),
)
STAGES = {
    "noop": "tests.flows.engine.plugin:noop",
    "first": "tests.flows.engine.plugin:first",
    "second": "tests.flows.engine.plugin:second",
    "third": "tests.flows.engine.plugin:third",
    "left": "tests.flows.engine.plugin:left",
    "middle": "tests.flows.engine.plugin:middle",
    "right": "tests.flows.engine.plugin:right",
}


class Noop:
    """Does nothing."""

    kind = "noop"

    def run(self, work: StageContext) -> StageResult:
        """Pass at once."""
        return Done()


class Scripted:
    """Does what the feature request says for its kind: lines of ``kind: verb argument``."""

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def run(self, work: StageContext) -> StageResult:
        """Follow the script."""
        script = dict(line.split(": ", 1) for line in work.feature_request.splitlines() if ": " in line)
        verb, _, argument = script.get(self.kind, "pass").partition(" ")
        return getattr(self, f"_{verb}")(work, argument)

    def _pass(self, work: StageContext, argument: str) -> StageResult:
        return Done(output={"attempt": work.attempt_number, "round": work.round, "said": argument})

    def _sleep(self, work: StageContext, argument: str) -> StageResult:
        until = time.monotonic() + float(argument)
        while time.monotonic() < until:
            threading.Event().wait(0.05)
            work.report_progress("still at it")
        return Done()

    def _hold(self, work: StageContext, argument: str) -> StageResult:
        """Heed nothing for ``argument`` seconds, the first time."""
        if work.attempt_number == 1:
            time.sleep(float(argument))
        return Done()

    def _kill(self, work: StageContext, argument: str) -> StageResult:
        """Kill the own process in the first ``argument`` attempts."""
        if work.attempt_number <= int(argument or 1):
            os.kill(os.getpid(), signal.SIGKILL)
        return Done()

    def _park(self, work: StageContext, argument: str) -> StageResult:
        """Wait once, for ``argument`` seconds."""
        if work.attempt_number > 1:
            return Done()
        return Park("no room", datetime.now(UTC) + timedelta(seconds=float(argument)), "google")

    def _repair(self, work: StageContext, argument: str) -> StageResult:
        """Ask for ``argument`` repair rounds."""
        if work.round > int(argument):
            return Done()
        return Repair("do better", "first", "gate:failed", "A gate failed.", "Fix it.")

    def _fail(self, work: StageContext, argument: str) -> StageResult:
        return Failed("test:failed", "It failed.", "Nothing.", retryable=argument == "retryable")

    def _flaky(self, work: StageContext, argument: str) -> StageResult:
        """Fail ``argument`` times, then pass."""
        return (
            Done()
            if work.attempt_number > int(argument)
            else Failed("test:flaky", "Not yet.", "Wait.", retryable=True)
        )

    def _crash(self, work: StageContext, argument: str) -> StageResult:
        secret = "-".join(
            ["sk", "this", "must", "never", "be", "shown"]
        )  # as a value: a traceback shows the code
        raise ZeroDivisionError(secret)


noop = Noop()
first, second, third = Scripted("first"), Scripted("second"), Scripted("third")
left, middle, right = Scripted("left"), Scripted("middle"), Scripted("right")
