"""What the verbs leave behind: artifacts, gate results, blocks, snapshots, events, and what they answer."""

import hashlib
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from gates.base import Finding, GateReport, Verdict
from orchestrator.flows import engine
from orchestrator.flows.models import Artifact, Blob, Block, Flow, GateResult
from orchestrator.flows.stage_protocol import Done, Failed, NewArtifact, NewBlock, Park, Repair
from orchestrator.repos.models import Repo
from tests.flows.engine.conftest import claim, let_wait_end, live

TRY_AGAIN = Failed("stage:odd", "odd", "Wait.", retryable=True)
REPORT = GateReport(
    "coverage",
    Verdict.FAILED,
    "80 % of 41 branches",
    score=Decimal("80.00"),
    threshold=Decimal("90.00"),
    findings=(Finding("uncovered", "line 4", path="a.py", line=4),),
    details={"branches": 41},
    cure="Test line 4.",
    seconds=1.5,
)


def try_again(flow: Flow) -> None:
    """The pause after a failure is over."""
    let_wait_end(live(flow).pk)
    assert engine.release_due_stages() == 1


def new_block(family: str = "compliance", name: str = "pii") -> Done:
    return Done(block=NewBlock(family, name, b"{}", Decimal(97), verified=True, summary="Finds names."))


def test_the_artifacts_of_the_newest_attempt_count(new_flow):
    flow = new_flow()
    for content in (b"first", b"second"):
        engine.finish(
            claim(flow),
            Failed(
                "stage:odd", "odd", "Wait.", retryable=True, artifacts=(NewArtifact("log", "l", content),)
            ),
        )
        try_again(flow)
    engine.finish(claim(flow), Done(artifacts=(NewArtifact("log", "log.md", b"third", "text/markdown"),)))
    kept = Artifact.objects.get()
    assert (bytes(kept.blob.content), kept.name, kept.media_type) == (b"third", "log.md", "text/markdown")
    assert kept.flow_id == flow.pk


def test_a_gate_result_has_all_that_the_report_says(new_flow):
    flow = new_flow()
    held = claim(flow)
    engine.finish(held, Failed("stage:odd", "odd", "Wait.", retryable=True, gates=(REPORT,)))
    found = GateResult.objects.get()
    assert (found.flow_id, found.stage_id, found.gate, found.round) == (flow.pk, held.stage_id, "coverage", 1)
    assert (found.verdict, found.summary, found.cure) == ("failed", REPORT.summary, "Test line 4.")
    assert (found.score, found.threshold, found.seconds) == (Decimal(80), Decimal(90), 1.5)
    assert found.details == {"branches": 41}
    assert [(one["rule"], one["path"], one["line"]) for one in found.findings] == [("uncovered", "a.py", 4)]
    try_again(flow)
    engine.finish(claim(flow), Done(gates=(GateReport("coverage", Verdict.PASSED, "all of it"),)))
    found = GateResult.objects.get()
    assert (found.verdict, found.summary, found.score, found.findings) == ("passed", "all of it", None, [])


def test_a_block_gets_the_next_version_of_its_family_and_name_in_its_repo(new_flow):
    other = Repo.objects.create(name="other")
    for result, more in (
        (new_block(), {}),
        (new_block(), {}),
        (new_block(family="payments"), {}),
        (new_block(name="iban"), {}),
        (new_block(), {"repo": other}),
    ):
        engine.finish(claim(new_flow(**more)), result)
    made = [
        (block.repo.name, block.family, block.name, block.version) for block in Block.objects.order_by("id")
    ]
    assert made == [
        ("demo", "compliance", "pii", 1),
        ("demo", "compliance", "pii", 2),
        ("demo", "payments", "pii", 1),
        ("demo", "compliance", "iban", 1),
        ("other", "compliance", "pii", 1),
    ]
    block = Block.objects.earliest("id")
    assert (block.summary, block.quality_score, block.verified) == ("Finds names.", Decimal(97), True)
    assert bytes(block.manifest.content) == b"{}"


def test_a_snapshot_is_attached_to_a_live_attempt_only(new_flow):
    flow, late = new_flow(), new_flow()
    engine.attach_snapshot(claim(flow), b"the repo", "git+https://example.org/a@1")
    flow.refresh_from_db()
    assert flow.snapshot_id == hashlib.sha256(b"the repo").hexdigest()
    assert (bytes(flow.snapshot.content), flow.origin) == (
        b"the repo",
        "git+https://example.org/a@1",
    )
    held = claim(late)
    engine.cancel(late.pk)
    with pytest.raises(engine.Fenced):
        engine.attach_snapshot(held, b"too late", "")
    late.refresh_from_db()
    assert late.snapshot_id is None
    assert Blob.objects.count() == 1


def test_a_wait_says_for_whom_and_until_when(new_flow):
    flow = new_flow()
    until = datetime.now(UTC) + timedelta(hours=1)
    engine.finish(claim(flow), Park("no tokens", until, "google", tokens=7, nano_usd=9))
    stage, event = live(flow), flow.events.get(kind="stage.waiting")
    assert (stage.wait_reason, stage.waits_for, stage.not_before) == ("no tokens", "google", until)
    assert (stage.wait_tokens, stage.wait_nano_usd) == (7, 9)
    told = {"stage": "first", "round": 1, "reason": "no tokens", "until": until.isoformat()}
    assert event.data == told | {"provider": "google"}
    other = new_flow()
    engine.finish(claim(other), Park("", until))
    told = other.events.get(kind="stage.waiting").data
    assert told["reason"] == "Waiting."
    assert "provider" not in told


def test_a_retry_gives_back_its_flow_and_says_who_asked(new_flow):
    new_flow()
    flow = new_flow()
    engine.finish(claim(flow), Failed("stage:odd", "odd", "Wait."))
    assert engine.retry(flow.pk, actor="me") == flow
    held, stage = flow.events.get(kind="flow.retried"), live(flow)
    assert (held.data, held.stage_id) == ({"by": "me"}, stage.pk)
    assert flow.events.latest("id").data == {"stage": "first", "round": 1, "queue": "google"}
    engine.finish(claim(flow), Failed("stage:odd", "odd", "Wait."))
    engine.retry(flow.pk)
    assert flow.events.filter(kind="flow.retried").latest("id").data == {"by": ""}


def test_a_resume_says_which_stages_are_ready_again(new_flow):
    flow = new_flow()
    engine.pause(flow.pk)
    engine.hold_ready_stages(10)
    engine.resume(flow.pk, actor="me")
    resumed, ready = flow.events.order_by("-id")[1], flow.events.latest("id")
    assert (resumed.kind, resumed.data) == ("flow.resumed", {"by": "me"})
    assert (ready.kind, ready.stage_id) == ("stage.ready", live(flow).pk)
    assert ready.data == {"stage": "first", "round": 1, "queue": "google"}


def test_a_round_says_what_it_consists_of(new_flow):
    flow = new_flow()
    engine.finish(claim(flow), Done())
    asking = claim(flow)
    engine.finish(asking, Repair("mind the limit", "first", "gate:failed", "No.", "Fix it."))
    inserted, ready = flow.events.order_by("-id")[1], flow.events.latest("id")
    assert (inserted.kind, inserted.stage_id) == ("round.inserted", asking.stage_id)
    assert inserted.data == {"round": 2, "stages": ["first", "second"]}
    assert (ready.kind, ready.stage_id) == ("stage.ready", live(flow).pk)
    assert ready.data == {"stage": "first", "round": 2, "queue": "google"}
    assert claim(flow).feedback == "mind the limit"


def test_the_next_stage_that_the_worker_gets_at_once_is_described_whole(new_flow):
    flow = new_flow()
    held = claim(flow)
    (following,) = [stage for stage in flow.stages.order_by("position") if stage.kind == "second"]
    claimed = engine.finish(held, Done(), onward=("gates",)).claimed
    following.refresh_from_db()
    attempt = following.attempts.get()
    assert claimed is not None
    assert (claimed.stage_id, claimed.kind, claimed.queue) == (following.pk, "second", "gates")
    assert (claimed.token, claimed.attempt_id, claimed.attempt_number) == (attempt.token, attempt.pk, 1)
    assert (claimed.round, claimed.failures, claimed.feedback, claimed.turn) == (1, 0, "", "")
    assert (claimed.flow_id, claimed.repo, claimed.worker) == (flow.pk, "demo", held.worker)
