"""Replays of flows that ran for real through engine, ledger and simulator; only the sandbox is not there."""

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from blocks.format import snapshot
from gates import runner as gates_runner
from orchestrator.flows import engine, flow_types
from orchestrator.flows.engine import broker
from orchestrator.flows.flow_types import ONE_BY_ONE, SIDE_BY_SIDE
from orchestrator.flows.generation import prompts
from orchestrator.flows.models import Flow, FlowEvent, Replay, Stage
from orchestrator.flows.replay import flow_replay, requests
from orchestrator.flows.replay.comparison import find_differences, same_bytes, strip_times
from orchestrator.flows.replay.flow_replay import replay_flow
from orchestrator.flows.worker import runner
from providers import registry
from providers.models import ProviderCall
from tests import scenes
from tests.flows.stages.fakes import FakeGates, failing, passing
from tests.providers import simulated
from tests.rest.conftest import as_token  # noqa: F401 - a fixture
from tests.rest.test_create import read_problem

SAMPLE = Path(__file__).parents[3] / "samples" / "compliance-service"
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="module")
def simulator():
    """The simulator with the sample's answers."""
    with simulated.started("--samples", "samples") as process:
        yield process


@pytest.fixture
def sent(monkeypatch):
    """What was sent to workers, in place of a broker."""
    tasks: list[tuple[str, tuple[int, ...], str]] = []

    def note(name, args, queue, **options):
        tasks.append((name, tuple(args), queue))

    monkeypatch.setattr(broker, "send_route", lambda route: True)
    monkeypatch.setattr(broker, "send_preparation", lambda *_: True)
    monkeypatch.setattr(requests.app, "send_task", note)
    return tasks


@pytest.fixture
def flow(simulator, settings, sent, monkeypatch, request) -> Iterator[Flow]:
    """A flow that has passed, of the newest version of its type or of the one that is asked for."""
    monkeypatch.setattr(flow_types, "newest_version", lambda _: getattr(request, "param", SIDE_BY_SIDE))
    urls = simulator.urls
    settings.PROVIDERS = {
        name: {
            **limits,
            "api_key": "k",
            "base_url": urls[f"{name.upper()}_BASE_URL"],
            "tokens_per_minute": 10**9,
        }
        for name, limits in settings.PROVIDERS.items()
    }
    monkeypatch.setattr(gates_runner, "run_gates", FakeGates(timed("coverage", "0.0123")))
    files = {
        str(path.relative_to(SAMPLE / "repo")): path.read_bytes() for path in (SAMPLE / "repo").rglob("*.py")
    }
    wanted = (SAMPLE / "feature_request.md").read_text()
    made = engine.create(scenes.make_repo(), wanted, block_family="compliance", snapshot=snapshot.pack(files))
    try:
        run_to_its_end(made)
        yield made
    finally:
        registry.close_adapters()


def timed(gate: str, seconds: str):
    """A report whose evidence tells how long it took."""
    evidence = {"suite.xml": f'<testsuite tests="3" time="{seconds}"/>'.encode()}
    return replace(passing(gate), seconds=float(seconds), evidence=evidence)


def run_to_its_end(flow: Flow) -> None:
    while live := flow.stages.filter(status="ready").first():
        runner.run_stages(live.pk)
    flow.refresh_from_db()
    assert flow.status == "passed", (
        flow.error_code,
        flow.error_message,
        list(flow.stages.values("kind", "status", "wait_reason")),
    )


def everything(flow: Flow) -> list[object]:
    """All that a replay must not touch."""
    rows = [list(model.objects.order_by("pk").values()) for model in (Flow, Stage, FlowEvent, ProviderCall)]
    return [*rows, list(flow.artifacts.values()), list(flow.gate_results.values())]


@pytest.mark.parametrize("flow", [ONE_BY_ONE, SIDE_BY_SIDE], ids=["version 1", "version 2"], indirect=True)
def test_a_replay_is_the_same_without_a_call_without_cost_and_without_a_trace(flow, simulator, monkeypatch):
    before, asked = everything(flow), [simulator.requests(name) for name in ("anthropic", "openai", "google")]
    monkeypatch.setattr(gates_runner, "run_gates", FakeGates(timed("coverage", "9.8765")))
    report = replay_flow(flow)
    assert report.differences == ()
    assert (report.stages, report.calls, report.skipped) == (7, 5, ())
    assert everything(flow) == before
    assert [simulator.requests(name) for name in ("anthropic", "openai", "google")] == asked


def test_a_replay_is_the_same_where_the_secret_key_is_not_known(flow, settings):
    settings.SECRET_KEY = "that of another process"
    assert replay_flow(flow).differences == ()


def test_the_measured_time_of_the_gates_is_not_a_difference(flow, monkeypatch):
    class SlowGates(FakeGates):
        """Gates that take another time than those of the flow did."""

        def __call__(self, *given):
            time.sleep(recorded_seconds + 0.02)
            return super().__call__(*given)

    recorded_seconds = flow.stages.get(kind="verify").output["gates_seconds"]
    monkeypatch.setattr(gates_runner, "run_gates", SlowGates(timed("coverage", "0.0123")))
    assert replay_flow(flow).differences == ()


def test_a_version_is_judged_by_the_promises_that_were_made_before_it(flow, monkeypatch):
    gates = FakeGates(timed("coverage", "0.0123"))
    monkeypatch.setattr(gates_runner, "run_gates", gates)
    assert flow.block.verified
    assert replay_flow(flow).differences == ()
    # The first version: the block of this very flow came after it was judged.
    assert {candidate.previous_contract for candidate, *_ in gates.seen} == {None}


def test_a_prompt_that_is_built_otherwise_today_is_told(flow, monkeypatch):
    monkeypatch.setattr(prompts, "escape_request", lambda text: text.strip() + " Please.")
    report = replay_flow(flow)
    assert {(found.stage, found.what) for found in report.differences} == {
        (kind, "prompt digest") for kind in ("context", "plan", "implement", "review", "docs")
    }
    assert all(len(found.recorded) == len(found.replayed) == 64 for found in report.differences)


def test_gates_that_judge_otherwise_are_told_where_they_do_and_nowhere_else(flow, monkeypatch):
    monkeypatch.setattr(gates_runner, "run_gates", FakeGates(failing("mutation")))
    report = replay_flow(flow)
    assert {found.stage for found in report.differences} == {"verify"}
    told = {found.what: (found.recorded, found.replayed) for found in report.differences}
    assert told["result"] == ("passed", "failed with gate:mutation-failed")
    assert told["gate mutation"] == ("passed 97.50 All well.", "failed Two mutants survived.")
    assert told["artifact evidence:mutation:mutation.json"][1] == "(nothing)"


def test_a_tampered_artifact_is_told(flow):
    answer = flow.artifacts.select_related("blob").get(kind="manifest")
    tampered = json.loads(bytes(answer.blob.content)) | {"verified": False}
    type(answer.blob).objects.filter(pk=answer.blob_id).update(content=json.dumps(tampered).encode())
    assert [(found.stage, found.what) for found in replay_flow(flow).differences] == [
        ("seal", "artifact manifest")
    ]


def test_a_stage_that_crashes_in_a_replay_is_a_difference(flow, monkeypatch):
    def crash(*given):
        raise ZeroDivisionError

    monkeypatch.setattr(gates_runner, "run_gates", crash)
    assert [(found.stage, found.replayed) for found in replay_flow(flow).differences] == [
        (kind, "an unexpected ZeroDivisionError") for kind in ("verify", "review")
    ]


def test_over_rest_it_is_run_once_by_a_worker_and_its_report_is_kept(flow, sent, as_token):  # noqa: F811
    api = as_token(flow.repo)
    url = f"/api/v1/flows/{flow.id}/replay/"
    read_problem(api.get(url), 404, "flow:no-replay")
    answer = api.post(url)
    assert (answer.status_code, answer.json()["status"]) == (202, "pending")
    assert answer["Location"] == f"http://testserver{url}"
    assert api.post(url).json()["id"] == answer.json()["id"]
    assert sent == [("flows.replay_flow", (answer.json()["id"],), "gates")] * 2
    for _, (number,), _ in sent:
        flow_replay.run_requested(number)
    told = api.get(url).json()
    assert (told["status"], told["report"]["same"], told["report"]["calls"]) == ("same", True, 5)
    assert Replay.objects.count() == 1
    assert api.post(url).json()["id"] != told["id"]


def test_only_what_has_ended_can_be_replayed(db, as_token):  # noqa: F811
    running = scenes.make_flow()
    body = read_problem(
        as_token(None).post(f"/api/v1/flows/{running.id}/replay/"), 409, "flow:not-replayable"
    )
    assert "Wait" in body["cure"]


def test_times_are_not_differences_and_everything_else_is():
    assert same_bytes(b'{"a": 1, "seconds": 2}', b'{"a": 1, "seconds": 3}')
    assert not same_bytes(b'{"a": 1, "seconds": 2}', b'{"a": 2, "seconds": 2}')
    assert same_bytes(b'<t time="1" n="2"/>', b'<t time="3" n="2"/>')
    assert not same_bytes(b'<t time="1" n="2"/>', b'<t time="1" n="3"/>')
    assert strip_times({"d": "x" * 64}, digests_of=frozenset({"x" * 64})) == {
        "d": "(digest of a file with times)"
    }
    assert list(find_differences({"a": [1, {"b": 2}]}, {"a": [1, {"b": 3}], "c": 4})) == [
        ("a[1].b", "2", "3"),
        ("c", "(nothing)", "4"),
    ]
