"""The gates once more over REST: asked for, run by a worker, compared."""

from decimal import Decimal

import pytest

from gates import runner
from gates.base import GateReport, Verdict
from orchestrator.celery import app
from orchestrator.flows.models import Replay
from orchestrator.flows.replay import gate_replay
from tests import scenes
from tests.flows.stages.fakes import FakeGates, failing


@pytest.fixture
def sent(monkeypatch) -> list[tuple[str, tuple[int, ...], str]]:
    """What was sent to the broker, instead of the broker."""
    found: list[tuple[str, tuple[int, ...], str]] = []
    monkeypatch.setattr(app, "send_task", lambda name, args, queue, retry: found.append((name, args, queue)))
    return found


def ask_for_replay(api, flow, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        return api.post(f"/api/v1/flows/{flow.id}/gates/replay/")


@pytest.mark.parametrize(
    ("again", "same"),
    [
        (GateReport("coverage", Verdict.PASSED, "Again.", score=Decimal("97.2")), True),
        (failing("coverage"), False),
        (GateReport("coverage", Verdict.ERRORED, "No sandbox."), False),
    ],
)
def test_verdicts_are_compared(api, sent, monkeypatch, django_capture_on_commit_callbacks, again, same):
    flow = scenes.run_through(scenes.make_flow())
    answer = ask_for_replay(api, flow, django_capture_on_commit_callbacks)
    assert answer.status_code == 202
    assert (answer.json()["status"], answer.json()["same"]) == ("pending", None)
    gates = FakeGates(again)
    monkeypatch.setattr(runner, "run_gates", gates)
    ((_, args, queue),) = sent
    assert queue == "gates"
    gate_replay.run_requested(*args)
    gate_replay.run_requested(*args)  # the same message again
    (seen,) = gates.seen
    assert (seen[0].name, seen[1].mode, seen[2]) == ("capital_ratio", "strict", ("coverage",))
    found = api.get(f"/api/v1/flows/{flow.id}/gates/replay/").json()
    assert (found["status"], found["same"]) == ("done", same)
    (row,) = found["comparison"]
    assert (row["gate"], row["sealed"], row["replayed"], row["same"]) == (
        "coverage",
        "passed",
        again.verdict,
        same,
    )


def test_asking_twice_runs_once_and_sends_a_lost_message_again(api, sent, django_capture_on_commit_callbacks):
    flow = scenes.run_through(scenes.make_flow())
    for _ in range(2):
        assert ask_for_replay(api, flow, django_capture_on_commit_callbacks).status_code == 202
    assert Replay.objects.count() == 1
    assert len(sent) == 2
    assert sent[0] == sent[1]


def test_a_flow_without_block_or_replay_has_none(api):
    flow = scenes.make_flow()
    assert api.post(f"/api/v1/flows/{flow.id}/gates/replay/").json()["code"] == "flow:no-block"
    assert api.get(f"/api/v1/flows/{flow.id}/gates/replay/").json()["code"] == "replay:none"
