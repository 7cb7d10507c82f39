"""A flow that brings no files, of a repo with a clone URL: engine, ledger, simulator and git server are
real.
"""

import hashlib
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.utils import timezone

from blocks.format import snapshot
from orchestrator.flows import engine
from orchestrator.flows.api.serializers.flows import FlowSerializer
from orchestrator.flows.engine import broker
from orchestrator.flows.models import Flow, Stage
from orchestrator.flows.replay import flow_replay
from orchestrator.flows.source import clone_seats
from orchestrator.flows.worker import runner
from providers import registry
from tests import scenes
from tests.flows.source.git_server import GitRepo, GitServer, answer_nothing
from tests.providers import simulated
from tests.providers.simulated import Simulated

REQUEST = (Path(__file__).parents[3] / "samples" / "compliance-service" / "feature_request.md").read_text()
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulated]:
    with simulated.started("--samples", "samples") as process:
        yield process


@pytest.fixture
def flow(
    simulator: Simulated,
    settings: LazySettings,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    git_server: GitServer,
) -> Iterator[Flow]:
    settings.STATE_DIR = tmp_path / "state"
    monkeypatch.setattr(broker, "send_route", lambda route: True)
    settings.PROVIDERS = {
        name: {**limits, "api_key": "k", "base_url": simulator.urls[f"{name.upper()}_BASE_URL"]}
        for name, limits in settings.PROVIDERS.items()
    }
    simulator.reset()
    yield engine.create(scenes.make_repo(clone_url=git_server.url()), REQUEST, block_family="compliance")
    registry.close_adapters()


def run_context(flow: Flow) -> Stage:
    stage = flow.stages.get(kind="context")
    runner.run_stages(stage.pk)
    stage.refresh_from_db()
    flow.refresh_from_db()
    return stage


def let_go(stage: Stage) -> None:
    Stage.objects.filter(pk=stage.pk).update(not_before=timezone.now())
    assert engine.release_due_stages() == 1


def test_the_commit_is_recorded_and_is_what_the_models_are_shown(
    flow: Flow, git_server: GitServer, git_repo: GitRepo
) -> None:
    commit = git_repo.put("ledger.py", b"def capital(): ...\n").commit()
    stage = run_context(flow)
    assert (stage.status, stage.output["included"]) == ("passed", ["ledger.py"])
    assert snapshot.unpack(bytes(flow.snapshot.content)) == {"ledger.py": b"def capital(): ...\n"}
    assert FlowSerializer(flow).data["snapshot"] == {
        "sha256": hashlib.sha256(b'{"ledger.py":"def capital(): ...\\n"}').hexdigest(),
        "origin": f"git+{git_server.url()}@{commit}",
    }
    assert any(commit[:12] in str(event.data) for event in flow.events.filter(kind="stage.progress"))


def test_a_stage_that_is_tried_again_stays_with_its_commit(
    flow: Flow,
    git_server: GitServer,
    git_repo: GitRepo,
    simulator: Simulated,
) -> None:
    commit = git_repo.put("ledger.py", b"x = 1\n").commit()
    simulator.behave("google", {"kind": "status", "status": 500})
    stage = run_context(flow)
    assert stage.status == "waiting"
    asked = len(git_server.asked)
    git_repo.put("ledger.py", b"x = 2\n").commit()
    simulator.reset()
    let_go(stage)
    assert run_context(flow).status == "passed"
    assert (flow.origin.rpartition("@")[2], len(git_server.asked)) == (commit, asked)
    git_server.hostile = answer_nothing(20)
    report = flow_replay.replay_flow(flow)
    assert [found for found in report.differences if found.stage == "context"] == []


def test_a_repo_that_cannot_be_had_is_never_left_out(
    flow: Flow,
    git_server: GitServer,
    simulator: Simulated,
    settings: LazySettings,
) -> None:
    settings.CLONE_TIMEOUT_SECONDS, git_server.hostile = 1, answer_nothing(5)
    stage = run_context(flow)
    assert (stage.status, simulator.requests("google"), flow.snapshot_id) == ("waiting", 0, None)
    settings.CLONE_PRIVATE_HOSTS = frozenset()
    let_go(stage)
    stage = run_context(flow)
    assert (stage.status, stage.error_code, simulator.requests("google")) == (
        "failed",
        "repo:clone-url-refused",
        0,
    )
    assert stage.error_cure


def test_a_slow_git_server_takes_few_threads_and_its_flows_wait_without_one(
    flow: Flow, git_server: GitServer, git_repo: GitRepo
) -> None:
    git_repo.put("ledger.py", b"x = 1\n").commit()
    with ExitStack() as slow:
        for _ in range(clone_seats.MOST_OF_ADDRESS):
            slow.enter_context(clone_seats.take_seat(git_server.url()))
        stage = run_context(flow)
        assert (stage.status, len(git_server.asked)) == ("waiting", 0)
        assert "being cloned" in stage.wait_reason
        # Others have seats, up to those of the worker.
        for number in range(clone_seats.MOST_CLONES - clone_seats.MOST_OF_ADDRESS):
            slow.enter_context(clone_seats.take_seat(f"https://git.example.org/{number}"))
        with pytest.raises(clone_seats.ClonesBusy), clone_seats.take_seat("https://git.example.org/last"):
            pass
    let_go(stage)
    assert run_context(flow).status == "passed"


def test_files_that_came_along_are_taken_as_they_are(flow: Flow, git_server: GitServer) -> None:
    sent = engine.create(
        flow.repo, REQUEST, block_family="compliance", snapshot=snapshot.pack({"a.py": b"x = 1\n"})
    )
    assert run_context(sent).output["included"] == ["a.py"]
    none = engine.create(flow.repo, REQUEST, block_family="compliance", snapshot=snapshot.pack({}))
    assert run_context(none).output["included"] == []
    assert (sent.origin, none.origin, git_server.asked) == ("", "", [])
