"""The context stage: bundle and summary."""

import json

import pytest

from orchestrator.flows.context import collector
from orchestrator.flows.stage_protocol import Done, Failed
from orchestrator.flows.stages import context, implement, plan, verify
from providers.base import StopReason
from tests.flows.stages import fakes
from tests.flows.stages.fakes import FakeStageContext, Stopped

ANSWER = json.dumps(fakes.CONTEXT)


def test_bundle_is_kept_and_summarised(work: FakeStageContext) -> None:
    result = work.run(context.stage, ANSWER)
    assert isinstance(result, Done)
    assert result.output["summary"] == "Ledgers of a bank."
    assert result.output["modules"] == ["ledger"]
    assert result.output["included"] == ["ledger.py"]
    assert result.output["bundle_bytes"] == len(work.artifacts["bundle"])
    call = result.output["calls"][0]
    assert (call["provider"], call["prompt"], len(call["prompt_digest"])) == ("google", "context.v3", 64)
    assert work.requests[0][0] == "google"
    assert work.artifacts["bundle"].decode().rstrip() in work.requests[0][1].stable


def test_secrets_never_leave(work: FakeStageContext) -> None:
    secret = "AKIAIOSFODNN7ABCDEFG"
    work.files = {"deploy.py": f'KEY = "{secret}"\n'.encode(), ".env": b"TOKEN=abcdef0123456789\n"}
    result = work.run(context.stage, ANSWER)
    assert isinstance(result, Done)
    assert result.output["redactions"] >= 1
    sent = work.requests[0][1]
    assert secret not in sent.stable + sent.prompt + sent.system
    assert "abcdef0123456789" not in sent.stable
    assert secret.encode() not in work.artifacts["bundle"]


def test_too_large_without_pruning_is_refused_in_the_words_of_the_runbook(work: FakeStageContext) -> None:
    work.pinned = {"context.pruning.enabled": False}
    work.files = {"big.py": b"x = 1\n" * 100_000}
    result = work.run(context.stage)
    assert isinstance(result, Failed)
    assert (result.code, result.message) == ("context:bundle-too-large", "Context bundle exceeds 500KB")
    assert "blocks config set context.pruning.enabled true" in result.cure
    assert "blocks config set context.max_size_kb 180" in result.cure
    assert not work.requests


def test_budget_of_the_repo_counts(work: FakeStageContext) -> None:
    work.pinned = {"context.max_size_kb": 2}
    work.files = {f"f{n}.py": b"x = 1\n" * 100 for n in range(9)}
    result = work.run(context.stage, ANSWER)
    assert isinstance(result, Done)
    assert len(work.artifacts["bundle"]) <= 2000
    assert result.output["omitted"] >= 5


def test_flow_without_files_still_has_a_summary(work: FakeStageContext) -> None:
    work.files = {}
    assert isinstance(work.run(context.stage, ANSWER), Done)
    assert "no files were given" in work.requests[0][1].stable


def test_plan_gets_summary_and_conventions_and_given_family_wins(work: FakeStageContext) -> None:
    work.block_family = "risk"
    work.run(context.stage, ANSWER)
    result = work.run(plan.stage, json.dumps({**fakes.PLAN, "block_name": "Capital-Ratio"}))
    assert isinstance(result, Done)
    assert (result.output["block_family"], result.output["block_name"]) == ("risk", "capital_ratio")
    provider, request = work.requests[-1]
    assert provider == "anthropic"
    assert "Ledgers of a bank." in request.prompt
    assert "- Money is Decimal." in request.prompt
    assert request.json_schema is plan.SCHEMA


def test_models_of_the_repo_count(work: FakeStageContext) -> None:
    work.pinned = {"context.model": "claude-haiku-4-5"}
    work.run(context.stage, ANSWER)
    assert (work.requests[0][0], work.requests[0][1].model) == ("anthropic", "claude-haiku-4-5")


def test_bundle_is_stored_before_a_model_sees_it(work: FakeStageContext) -> None:
    refused = work.run(context.stage, Stopped(StopReason.REFUSAL))
    assert isinstance(refused, Failed)
    (digest,) = work.stored
    assert work.stored[digest].decode().rstrip() in work.requests[0][1].stable
    assert work.artifacts["bundle"] == work.stored[digest], "a failed flow still shows what was sent"


def test_secrets_in_request_and_findings_never_leave(work: FakeStageContext) -> None:
    secret = "AKIAIOSFODNN7ABCDEFG"
    work.feature_request = f"# Ratio\n\nUse {secret}."
    work.run(context.stage, ANSWER)
    work.run(plan.stage, json.dumps(fakes.PLAN))
    work.run(implement.stage, fakes.implementation())
    work.feedback, work.round = f"E  assert '{secret}' == ''", 2
    work.run(implement.stage, fakes.implementation())
    assert len(work.requests) == 4
    for _, sent in work.requests:
        assert secret not in sent.stable + sent.prompt + sent.system
        assert "[REDACTED]" in sent.prompt


def test_other_bytes_than_text_are_left_out(work: FakeStageContext) -> None:
    work.files = {"a.py": b"x = 1\n", "b.py": b"y = 2\n", "c.bin": b"\0\xff"}
    result = work.run(context.stage, ANSWER)
    assert isinstance(result, Done)
    assert set(result.output["included"]) == {"a.py", "b.py"}
    assert b"y = 2" in work.artifacts["bundle"]


def test_gates_get_the_repo_without_its_secrets(work: FakeStageContext, gates: fakes.Gates) -> None:
    fake = gates()
    work.files = {
        "ledger.py": b"x = 1\n",
        ".env": b"A=b\n",
        ".blocks/config.yml": b"repo: x\n",
        "b.bin": b"\0\xff",
    }
    for stage, answer in (
        (context.stage, ANSWER),
        (plan.stage, json.dumps(fakes.PLAN)),
        (implement.stage, fakes.implementation()),
    ):
        work.run(stage, answer)
    work.run(verify.stage)
    subject = fake.seen[-1][0]
    assert dict(subject.repo_files) == {"ledger.py": b"x = 1\n", "b.bin": b"\0\xff"}
    assert subject.environment is None


@pytest.mark.parametrize(
    "config",
    [
        "dependencies: [requests]\n",
        "dependencies: requests\n",
        "dependencies: [{a: b}]\n",
        "dependencies: [\n",
    ],
)
def test_dependencies_that_are_not_pins_are_for_the_owner_to_fix(
    work: FakeStageContext, gates: fakes.Gates, config: str
) -> None:
    fake = gates()
    work.files = {".blocks/config.yml": config.encode()}
    for stage, answer in (
        (context.stage, ANSWER),
        (plan.stage, json.dumps(fakes.PLAN)),
        (implement.stage, fakes.implementation()),
    ):
        work.run(stage, answer)
    result = work.run(verify.stage)
    assert isinstance(result, Failed)
    assert (result.code, result.retryable) == ("context:bad-dependencies", False)
    assert "--hash=sha256" in result.cure
    assert not fake.seen


def test_a_file_that_cannot_be_searched_in_time_is_left_out_and_said_so(
    work: FakeStageContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collector, "PROCESS", "tests.flows.context.slow_process")
    work.files = {"ledger/a.py": b"# slow\n", "ledger/b.py": b"x = 1\n"}
    result = work.run(context.stage, ANSWER)
    assert isinstance(result, Done)
    assert result.output["unjudged"] == ["ledger/a.py"]
    assert result.output["included"] == ["ledger/b.py"]
    assert any("left out: ledger/a.py" in said for said in work.said)
    work.files |= {f"{number}.py": b"# crash\n" for number in range(9)}
    failed = work.run(context.stage)
    assert isinstance(failed, Failed)
    assert failed.code == "context:files-not-judged"
