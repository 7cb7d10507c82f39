"""What of a stage is done before it starts: without a call, once, and only for a stage that does not run."""

import hashlib
import json
from datetime import UTC, datetime

import pytest
from django.conf import LazySettings

from blocks.format import snapshot
from orchestrator.flows import engine
from orchestrator.flows.engine import broker, dispatch_queue
from orchestrator.flows.models import Flow
from orchestrator.flows.stage_protocol import Done
from orchestrator.flows.stages import context, verify
from orchestrator.flows.verification import environment
from orchestrator.flows.worker import preparation
from providers.base import NotAdmitted
from providers.models import ProviderCall
from tests import scenes
from tests.flows.engine.stack import running
from tests.flows.source.git_server import GitRepo, GitServer
from tests.flows.stages import fakes
from tests.flows.stages.fakes import FakeStageContext

ANSWER = json.dumps(fakes.CONTEXT)
FILES = {"ledger.py": b"def capital(): ...\n"}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, str]]:
    """The preparations that were asked for, in place of a broker: flow, kind, queue."""
    found: list[tuple[str, str, str]] = []
    monkeypatch.setattr(broker, "send_preparation", lambda *args: found.append(args) or True)
    monkeypatch.setattr(broker, "send_route", lambda route: True)
    return found


@pytest.fixture
def refuse_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on nothing may be collected."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the context was collected twice")

    monkeypatch.setattr(context, "collect_bundle", refuse)


@pytest.mark.django_db(transaction=True)
def test_a_flow_that_waits_for_its_first_slot_has_its_context_collected(asked):
    at_once = scenes.make_flow()
    assert asked == []
    dispatch_queue.publish_full_queues(["google"], [], 60)
    waits = engine.create(at_once.repo, "# Ratio\n\nDivide.", snapshot=snapshot.pack(FILES))
    assert asked == [(waits.pk, "context", "control")]
    preparation.prepare_stage(waits.pk, "context")
    stage = waits.stages.get(kind="context")
    assert stage.status == "ready"
    assert set(stage.artifacts.values_list("kind", flat=True)) == {"bundle", "bundle-facts"}
    assert not ProviderCall.objects.exists()


def test_the_stage_asks_its_model_about_what_was_collected_before(work: FakeStageContext, request):
    work.keep_artifacts(context.stage.prepare_flow(work))
    assert not work.requests
    request.getfixturevalue("refuse_work")
    result = work.run(context.stage, ANSWER)
    assert isinstance(result, Done)
    assert (result.output["included"], result.output["modules"]) == (["ledger.py"], ["ledger"])
    assert work.artifacts["bundle"].decode().rstrip() in work.requests[0][1].stable
    (stored,) = work.stored.values()
    assert stored == work.artifacts["bundle"]


def test_an_attempt_that_is_not_admitted_leaves_its_work_to_the_next(
    work: FakeStageContext, monkeypatch, request
):
    def refuse(provider: str, _: object) -> None:
        raise NotAdmitted(provider, "tokens", "google: no tokens", datetime.now(UTC))

    with monkeypatch.context() as patched:
        patched.setattr(work, "call_model", refuse)
        with pytest.raises(NotAdmitted):
            work.run(context.stage)
    request.getfixturevalue("refuse_work")
    assert isinstance(work.run(context.stage, ANSWER), Done)


def test_what_would_be_redacted_today_is_collected_again(work: FakeStageContext):
    secret = b"AKIAIOSFODNN7ABCDEFG"
    bundle, facts = context.stage.prepare_flow(work)
    before = bundle.content + b"KEY = '" + secret + b"'\n"
    # By rules that did not know this format yet.
    kept = json.loads(facts.content) | {"redacted_by": "earlier rules"}
    kept["bundle"]["sha256"] = hashlib.sha256(before).hexdigest()
    work.artifacts = {"bundle": before, facts.kind: json.dumps(kept).encode()}
    assert isinstance(work.run(context.stage, ANSWER), Done)
    assert secret not in work.artifacts["bundle"]


@pytest.mark.django_db(transaction=True)
def test_a_clone_is_not_attached_under_a_stage_that_runs(asked, git_repo: GitRepo, git_server: GitServer):
    git_repo.put("a.py", b"x = 1\n").commit()
    repo = scenes.make_repo(clone_url=git_server.url())
    early, late = (engine.create(repo, "# Ratio\n\nDivide.") for _ in range(2))
    preparation.prepare_stage(early.pk, "context")
    early.refresh_from_db()
    assert early.origin.startswith("git+")
    assert early.snapshot is not None

    stage = late.stages.get(kind="context")
    engine.claim(stage.pk, "w")
    assert not engine.keep_preparation(late.pk, stage.pk, (), b"{}", "git+x@1")
    preparation.prepare_stage(late.pk, "context")
    late.refresh_from_db()
    assert (late.snapshot, late.origin) == (None, "")
    assert not stage.artifacts.exists()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("what", ["cancelled", "broken", "unknown"])
def test_what_cannot_be_prepared_is_left_to_the_stage(asked, what):
    flow = scenes.make_flow(snapshot=b"{" if what == "broken" else snapshot.pack(FILES))
    if what == "cancelled":
        engine.cancel(flow.pk)
    preparation.prepare_stage("task_unknown" if what == "unknown" else flow.pk, "context")
    assert not flow.artifacts.exists()
    assert not flow.events.filter(kind="stage.failed").exists()


@pytest.mark.django_db(transaction=True)
def test_the_gates_environment_is_built_while_the_plan_is_written(asked, monkeypatch):
    flow: Flow = scenes.make_flow(snapshot=snapshot.pack(FILES))
    scenes.finish_stage(scenes.start_kind(flow, "context"))
    plan = scenes.start_kind(flow, "plan")
    preparation.send_preparations(plan)
    assert asked == [(flow.pk, "verify", "gates")]
    built: list[object] = []
    monkeypatch.setattr(environment, "build_surroundings", built.append)
    preparation.prepare_stage(flow.pk, "verify")
    assert built == [FILES]
    # Another attempt finds it built.
    engine.give_back_stage(flow.pk, plan.stage_id, plan.token)
    preparation.send_preparations(scenes.start_kind(flow, "plan"))
    assert len(asked) == 1


def test_the_sandbox_is_found_as_the_worker_starts(monkeypatch):
    found: list[bool] = []
    monkeypatch.setattr(verify, "choose_backend", lambda: found.append(True))
    verify.stage.prepare()
    assert found == [True]


def test_a_preparation_waits_behind_nobody(tmp_path, settings: LazySettings):
    with running(tmp_path) as stack:
        assert broker.send_preparation("task_1", "verify", "gates")
        assert not broker.send_preparation("task_2", "verify", "gates")
        assert stack.redis.llen("gates") == 1
        assert b"flows.prepare_stage" in stack.redis.lindex("gates", 0)
        stack.broker.kill()
        stack.broker.wait(10)
        assert not broker.send_preparation("task_3", "verify", "control")
