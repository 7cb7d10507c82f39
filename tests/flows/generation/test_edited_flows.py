"""A person edits the files of a failed flow. The stages behind run for real; the sandbox is not there."""

import json

import pytest

from blocks.format import archive
from blocks.format.keys import read_public_key
from blocks.format.verification import verify_block
from gates import runner as gates_runner
from orchestrator.flows import engine
from orchestrator.flows.evidence import downloads, keys
from orchestrator.flows.models import FlowEvent
from orchestrator.flows.replay.flow_replay import replay_flow
from orchestrator.flows.worker import runner
from providers import registry
from tests import scenes
from tests.flows.replay.test_flow_replay import (  # noqa: F401 - fixtures
    SAMPLE,
    run_to_its_end,
    sent,
    simulator,
)
from tests.flows.stages.fakes import FakeGates, failing
from tests.rest.conftest import as_token  # noqa: F401 - a fixture
from tests.rest.test_create import read_problem

pytestmark = pytest.mark.django_db(transaction=True)
EDITED = "# by hand\n"


@pytest.fixture
def failed(simulator, settings, sent, monkeypatch):  # noqa: F811
    """A flow whose only round was refused."""
    urls = simulator.urls
    settings.MAX_REPAIR_ROUNDS = 0
    settings.PROVIDERS = {
        name: {
            **limits,
            "api_key": "k",
            "base_url": urls[f"{name.upper()}_BASE_URL"],
            "tokens_per_minute": 10**9,
        }
        for name, limits in settings.PROVIDERS.items()
    }
    monkeypatch.setattr(gates_runner, "run_gates", FakeGates(failing("mutation")))
    request = (SAMPLE / "feature_request.md").read_text()
    flow = engine.create(scenes.make_repo(), request, block_family="compliance")
    while live := flow.stages.filter(status="ready").first():
        runner.run_stages(live.pk)
    flow.refresh_from_db()
    assert flow.status == "failed", flow.error_message
    yield flow
    registry.close_adapters()


def read_files(flow) -> dict[str, str]:
    """The newest candidate."""
    return {
        path.partition("/")[2]: content.decode()
        for path, content in downloads.collect_evidence(flow).items()
        if path.startswith("implement-")
    }


def test_the_evidence_says_who_edited_the_files(failed, as_token, simulator, monkeypatch):  # noqa: F811
    gates = FakeGates()
    monkeypatch.setattr(gates_runner, "run_gates", gates)
    module = read_files(failed)["capital_ratio.py"] + EDITED
    asked = simulator.requests("openai")
    answer = as_token(failed.repo).post(
        f"/api/v1/flows/{failed.id}/edit/", {"files": {"capital_ratio.py": module}}, format="json"
    )
    assert answer.status_code == 202, answer.content
    assert answer.json()["status"] == "running"
    run_to_its_end(failed)
    # No model wrote; one read it, and every gate judged it.
    assert simulator.requests("openai") == asked
    judged = {name: candidate for candidate, _, names in gates.seen for name in names}
    assert set(judged) == {"contract", "coverage", "mutation", "security", "review"}
    assert {candidate.module for candidate in judged.values()} == {module}
    assert judged["review"].implementer.startswith("person:")
    assert failed.block.verified
    files = archive.unpack(downloads.sealed_block(failed) or b"")
    assert files["capital_ratio.py"].decode() == module
    key = dict([read_public_key(keys.current_key().public_pem.encode())])
    report = verify_block(files, key)
    assert report.ok
    assert report.edited_by == judged["review"].implementer.removeprefix("person:")
    provenance = json.loads(files["attestations/provenance.dsse.json"])
    assert provenance["signatures"]
    told = FlowEvent.objects.get(flow=failed, kind="round.edited")
    assert told.data == {"by": report.edited_by, "round": 2}


def test_a_flow_with_an_edit_is_replayed_except_for_what_the_person_did(failed, as_token, monkeypatch):  # noqa: F811
    monkeypatch.setattr(gates_runner, "run_gates", FakeGates())
    module = read_files(failed)["capital_ratio.py"] + EDITED
    as_token(failed.repo).post(
        f"/api/v1/flows/{failed.id}/edit/", {"files": {"capital_ratio.py": module}}, format="json"
    )
    run_to_its_end(failed)
    report = replay_flow(failed)
    assert "implement round 2: a person wrote its files" in report.skipped
    # The first round was refused by gates that are not those of now.
    assert {(found.stage, found.round) for found in report.differences} <= {("verify", 1)}


def test_an_edit_that_fails_again_can_be_edited_again(failed, as_token, monkeypatch):  # noqa: F811
    client = as_token(failed.repo)
    before = read_files(failed)
    for number in (2, 3):
        text = before["capital_ratio.py"] + EDITED * number
        answer = client.post(
            f"/api/v1/flows/{failed.id}/edit/", {"files": {"capital_ratio.py": text}}, format="json"
        )
        assert answer.status_code == 202, answer.content
        while live := failed.stages.filter(status="ready").first():
            runner.run_stages(live.pk)
        failed.refresh_from_db()
        assert failed.status == "failed"
        assert failed.stages.filter(kind="implement").latest("round").round == number
    found = read_files(failed)
    # What was left out stays.
    assert found["contract.json"] == before["contract.json"]
    assert found["capital_ratio.py"].endswith(EDITED * 3)


def test_what_is_not_an_edit_of_the_block_is_refused(failed, as_token):  # noqa: F811
    # In one test, because a flow that has failed for real costs seconds, and a refusal leaves it as it is.
    client, before = as_token(failed.repo), read_files(failed)
    for files, code in (
        ({"other.py": "x = 1\n"}, "flow:bad-edit"),
        ({"../x.py": "x = 1\n"}, "flow:bad-edit"),
        ({"capital_ratio.py": "x" * (257 * 1024)}, "flow:bad-edit"),
        ({}, "request:invalid"),
        # As they were.
        (before, "flow:bad-edit"),
    ):
        answer = client.post(f"/api/v1/flows/{failed.id}/edit/", {"files": files}, format="json")
        read_problem(answer, 422, code)
        failed.refresh_from_db()
        assert failed.status == "failed"


def test_only_a_flow_that_ended_without_a_block_is_edited(as_token):  # noqa: F811
    flow = scenes.make_flow()
    client = as_token(flow.repo)
    edit = {"files": {"capital_ratio.py": "x = 1\n"}}
    # Nothing is planned yet.
    early = client.post(f"/api/v1/flows/{flow.id}/edit/", edit, format="json")
    read_problem(early, 422, "flow:bad-edit")
    other = client.post("/api/v1/flows/task_none/edit/", edit, format="json")
    read_problem(other, 404, "flow:not-found")
