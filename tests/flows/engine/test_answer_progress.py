"""What followers are told of an answer while it comes, and what that costs the database."""

import itertools
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection

from orchestrator.flows import engine
from orchestrator.flows.api.serializers.flows import FlowSerializer
from orchestrator.flows.worker import answer_progress, runner
from orchestrator.flows.worker.answer_progress import AnswerProgress, describe_answer
from providers import calls
from providers.base import Request
from providers.calls import ModelAnswer
from tests.flows.engine.conftest import live
from tests.flows.engine.test_runner import ANSWER, Asks

NONCE = "4f1c9a7be02d3365"


@pytest.mark.parametrize(
    ("kind", "text", "told"),
    [
        ("plan", "", "thinking"),
        ("plan", '{"block_name": "ledger"}', "writing the plan, 24 characters"),
        ("context", "{" * 1234, "describing the repository, 1,234 characters"),
        ("implement", "Here it is.", "writing, 11 characters"),
        ("implement", f"<<<FILE contract.json {NONCE}>>>\n{{\n", "writing the contract, 2 lines"),
        (
            "implement",
            f"<<<FILE m.py {NONCE}>>>\na\nb\n<<<END {NONCE}>>>\n<<<FILE test_m.py {NONCE}>>>\n" + "x\n" * 139,
            "writing the tests, 140 lines",
        ),
        ("implement", f"<<<EDIT m.py {NONCE}>>>\na\n", "writing the module, 2 lines"),
        ("docs", f"<<<FILE README.md {NONCE}>>>\n# A\n", "writing the documentation, 2 lines"),
    ],
)
def test_words_say_which_part_and_how_much(kind: str, text: str, told: str) -> None:
    assert describe_answer(kind, text) == told


def test_news_are_rare_and_only_what_is_new(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr(answer_progress.time, "monotonic", lambda: clock[0])
    progress = AnswerProgress("docs")
    told = []
    for second in range(1200):
        clock[0] = 100 + second / 10
        progress.note_text(f"line {second}\n")
        news = progress.take_news()
        told += [(round(clock[0] - 100, 1), news)] if news else []
    assert told[0][0] == 1.0
    assert len(told) < 40
    assert all(later[0] - earlier[0] >= 1.0 for earlier, later in itertools.pairwise(told))
    clock[0] += 60
    assert progress.take_news()
    clock[0] += 60
    assert progress.take_news() == ""


def run(flow: Any) -> None:
    """Run the live stage in a thread of its own, and leave no connection behind."""
    try:
        runner.run_stages(live(flow).pk)
    finally:
        connection.close()


@pytest.fixture
def streamed(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """A call that writes line after line, until it is told to end."""
    monkeypatch.setattr(answer_progress, "FIRST_LOOK_SECONDS", 0.01)
    line: list[Any] = [threading.Event(), threading.Event()]

    def call(provider: str, request: Request, caller: Any) -> ModelAnswer:
        request.note_text(f"<<<FILE m.py {NONCE}>>>\nx = 1\n")
        line[0].set()
        while not line[1].wait(0.02):
            request.note_text("x = 1\n")
        return ANSWER

    monkeypatch.setattr(calls, "call_model", call)
    monkeypatch.setattr(runner, "load_stage", lambda _: Asks())
    yield line
    line[1].set()


@pytest.mark.django_db(transaction=True)
def test_running_stage_says_what_its_model_writes(new_flow: Any, streamed: list[Any]) -> None:
    flow = new_flow()
    worker = threading.Thread(target=run, args=(flow,), daemon=True)
    worker.start()
    streamed[0].wait(20)
    seen: list[str] = []
    while len(seen) < 2:
        assert worker.is_alive()
        seen = list(flow.events.filter(kind="stage.progress").values_list("data__message", flat=True))
        time.sleep(0.01)
    stage = live(flow)
    shown = next(row for row in FlowSerializer(flow).data["stages"] if row["id"] == stage.pk)
    assert shown["progress"].startswith("writing the module, ")
    assert shown["progress"].endswith(" lines")
    streamed[1].set()
    worker.join(20)
    # A stage that has ended does nothing any more.
    assert all(row["progress"] == "" for row in FlowSerializer(flow).data["stages"])


@pytest.mark.django_db(transaction=True)
def test_cancelled_flow_is_told_nothing_more(new_flow: Any, streamed: list[Any]) -> None:
    flow = new_flow()
    worker = threading.Thread(target=run, args=(flow,), daemon=True)
    worker.start()
    streamed[0].wait(20)
    engine.cancel(flow.pk)
    told = flow.events.filter(kind="stage.progress").count()
    worker.join(20)
    assert not worker.is_alive()
    assert flow.events.filter(kind="stage.progress").count() == told
