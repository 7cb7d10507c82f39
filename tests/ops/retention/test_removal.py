"""What is removed of ended flows, what stays, and what happens when others are at work there."""

import threading
from datetime import timedelta
from io import StringIO

import psycopg
import pytest
from django.core.management import call_command
from django.db import connection, transaction
from django.utils import timezone

from bench.stored_flows import NEW_ID, NUMBERS, compose_insert
from orchestrator.core import database
from orchestrator.flows import engine
from orchestrator.flows.engine import old_flows, store
from orchestrator.flows.engine.errors import NotRetryable
from orchestrator.flows.evidence import downloads
from orchestrator.flows.models import Artifact, Blob, EvidenceLog, Flow, FlowEvent, ReplayKind
from orchestrator.flows.replay import requests
from orchestrator.flows.stage_protocol import NewArtifact
from orchestrator.ops.retention import removal, schedule
from orchestrator.ops.retention.models import RetentionMark
from providers.models import ProviderCall
from tests import scenes
from tests.databases import url_of_test_database

pytestmark = pytest.mark.django_db(transaction=True)
OLD = 200


@pytest.fixture(autouse=True)
def kept_days(settings):
    settings.EVENTS_KEPT_DAYS = settings.ANSWERS_KEPT_DAYS = settings.WORKING_FILES_KEPT_DAYS = 180


def end_flow(days_ago: float = OLD, *, files: bytes = b"the repo's files") -> Flow:
    """A flow with a block that ended so long ago, with all that it leaves behind."""
    made = scenes.make_flow()
    digest = scenes.store_blob(files)
    Flow.objects.filter(pk=made.pk).update(snapshot=digest, origin="git+https://git.example.org/a.git@c0ffee")
    for kind, provider, model in scenes.STAGES[:-1]:
        claim = scenes.start_kind(made, kind)
        if provider in {"google", "anthropic", "openai"}:
            scenes.record_call(claim, provider, model, "0.01")
        answer = NewArtifact("answer", "answer.json", f"{kind} of {made.pk}".encode(), "application/json")
        more = (NewArtifact("bundle", "bundle.json", b"what models saw"),) if kind == "context" else ()
        scenes.finish_stage(claim, artifacts=(answer, *more))
    scenes.seal_block(made)
    ProviderCall.objects.filter(flow_id=made.pk).update(response={"said": "much"}, answer={"text": "much"})
    ended = timezone.now() - timedelta(days=days_ago)
    Flow.objects.filter(pk=made.pk).update(finished_at=ended)
    made.refresh_from_db()
    assert made.status == "passed"
    return made


def count_rows(made: Flow) -> dict[str, int]:
    calls = ProviderCall.objects.filter(flow_id=made.pk)
    return {
        "stage events": FlowEvent.objects.filter(flow=made).exclude(kind__startswith="flow.").count(),
        "flow events": FlowEvent.objects.filter(flow=made, kind__startswith="flow.").count(),
        "calls": calls.count(),
        "answers": calls.filter(response__isnull=False).count() + calls.filter(answer__isnull=False).count(),
        "working files": Artifact.objects.filter(flow=made, kind__in=("bundle", "answer")).count(),
        "other files": Artifact.objects.filter(flow=made).exclude(kind__in=("bundle", "answer")).count(),
    }


def test_what_is_due_goes_and_what_proves_something_stays():
    old, new = end_flow(), end_flow(1, files=b"other files")
    before, untouched = count_rows(old), count_rows(new)
    assert min(before.values()) > 0
    sealed = downloads.sealed_block(old)
    costs = list(ProviderCall.objects.filter(flow_id=old.pk).order_by("id").values_list("id", "cost_usd"))
    found = {one.kind: one for one in removal.remove_due()}
    after = count_rows(old)
    assert (after["stage events"], after["answers"], after["working files"]) == (0, 0, 0)
    for kind in ("flow events", "calls", "other files"):
        assert after[kind] == before[kind]
    assert count_rows(new) == untouched
    old.refresh_from_db()
    assert (old.snapshot_id, old.status) == (None, "passed")
    assert old.origin != ""
    assert not Blob.objects.filter(content=b"the repo's files").exists()
    assert Blob.objects.filter(content=b"other files").exists()
    # The block, its evidence, its log and what it cost.
    assert downloads.sealed_block(old) == sealed
    assert EvidenceLog.objects.filter(flow=old.pk).count() == EvidenceLog.objects.filter(flow=new.pk).count()
    assert (
        list(ProviderCall.objects.filter(flow_id=old.pk).order_by("id").values_list("id", "cost_usd"))
        == costs
    )
    assert found["events"].rows == before["stage events"]
    assert found["files"].byte_count > len(b"the repo's files")
    # A second run finds nothing, and looks at no flow twice.
    assert [(one.flows, one.rows) for one in removal.remove_due()] == [(0, 0)] * 3
    assert not removal.is_anything_due()


def test_bytes_that_another_flow_has_stay_until_the_last_one_goes():
    first, second = end_flow(OLD + 1), end_flow(10)
    removal.remove_due()
    assert Blob.objects.filter(content=b"the repo's files").exists()
    second.refresh_from_db()
    assert second.snapshot_id is not None
    Flow.objects.filter(pk=second.pk).update(finished_at=timezone.now() - timedelta(days=OLD))
    removal.remove_due()
    assert not Blob.objects.filter(content=b"the repo's files").exists()
    assert first.pk != second.pk


def test_zero_keeps_for_good(settings):
    settings.EVENTS_KEPT_DAYS = settings.ANSWERS_KEPT_DAYS = settings.WORKING_FILES_KEPT_DAYS = 0
    old = end_flow(30_000)
    before = count_rows(old)
    removal.remove_due()
    assert count_rows(old) == before
    output = StringIO()
    call_command("apply_retention", stdout=output)
    assert "events: kept for good (EVENTS_KEPT_DAYS=0)" in output.getvalue()
    # A flow of any age can be retried then.
    failed = fail_flow(30_000)
    assert engine.retry(failed.pk).status == "running"


def fail_flow(days_ago: float) -> Flow:
    made = scenes.make_flow()
    scenes.fail_stage(scenes.start_kind(made, "context"), ("context:invalid", "No.", "Send text."))
    Flow.objects.filter(pk=made.pk).update(finished_at=timezone.now() - timedelta(days=days_ago))
    made.refresh_from_db()
    return made


def test_a_flow_whose_files_may_be_gone_is_not_retried_and_one_that_is_retried_keeps_them():
    with pytest.raises(NotRetryable, match="more than 180 days ago") as caught:
        engine.retry(fail_flow(180.5).pk)
    assert caught.value.code == "flow:too-old"
    with pytest.raises(old_flows.FilesRemoved, match="more than 180 days ago"):
        requests.request_replay(ReplayKind.FLOW, fail_flow(180.5), "x")
    young = fail_flow(179.5)
    engine.retry(young.pk)
    before = FlowEvent.objects.filter(flow=young).count()
    removal.remove_due()
    assert FlowEvent.objects.filter(flow=young).count() == before


def test_a_flow_that_ends_again_has_its_turn_again():
    young = fail_flow(10)
    end_flow(OLD)
    removal.remove_due()
    mark = RetentionMark.objects.get(kind="events")
    Flow.objects.filter(pk=young.pk).update(finished_at=timezone.now() - timedelta(days=181))
    assert removal.remove_due()[0].flows == 1
    assert RetentionMark.objects.get(kind="events").finished_at > mark.finished_at


def test_many_flows_of_one_instant_are_done_in_batches(monkeypatch):
    monkeypatch.setattr(removal, "_FLOWS", 2)
    flows = [fail_flow(OLD) for _ in range(5)]
    Flow.objects.update(finished_at=timezone.now() - timedelta(days=OLD))
    assert removal.remove_due()[0].flows == 5
    assert not FlowEvent.objects.filter(flow__in=flows, kind__startswith="stage.").exists()


def test_time_that_is_up_leaves_the_rest_for_the_next_run():
    fail_flow(OLD)
    assert [one.flows for one in removal.remove_due(seconds=0)] == [0, 0, 0]
    assert removal.is_anything_due()
    output = StringIO()
    call_command("apply_retention", stdout=output, seconds=0)
    assert "events: 0 rows of 0 flows that ended over 180 days ago, more is due" in output.getvalue()


def test_a_table_that_others_hold_is_left_for_later(monkeypatch):
    monkeypatch.setattr(removal, "_LOCK_MILLISECONDS", 50)
    old = end_flow()
    with psycopg.connect(url_of_test_database()) as other:
        other.execute("LOCK TABLE flows_blob IN ROW EXCLUSIVE MODE")
        found = {one.kind: one.flows for one in removal.remove_due()}
        assert found == {"events": 1, "answers": 1, "files": 0}
        # The batch was undone as a whole.
        assert count_rows(old)["working files"] > 0
        assert not connection.in_atomic_block
    assert {one.kind: one.flows for one in removal.remove_due()}["files"] == 1


def test_a_flow_that_brings_the_same_bytes_meanwhile_keeps_them():
    """It has found them stored and has not committed its reference when the removal begins."""
    end_flow(files=b"brought again")
    stored, removed = threading.Event(), threading.Event()
    digests: list[str] = []

    def bring() -> None:
        try:
            with transaction.atomic():
                repo = scenes.make_repo("another")
                made = scenes.make_flow(repo)
                digests.extend(store.store_blobs([b"brought again"], repo.pk))
                stored.set()
                # The removal waits for this transaction: it can not be over.
                assert not removed.wait(0.5)
                Flow.objects.filter(pk=made.pk).update(snapshot=digests[0])
        finally:
            connection.close()

    thread = threading.Thread(target=bring)
    thread.start()
    assert stored.wait(10)
    while removal.remove_due()[2].flows == 0:
        pass
    removed.set()
    thread.join()
    assert Blob.objects.get(pk=digests[0]).content == b"brought again"
    assert Flow.objects.filter(snapshot=digests[0], repo__name="another").count() == 1


def test_the_dispatcher_sends_one_message_where_something_is_due(monkeypatch):
    sent = []
    monkeypatch.setattr(schedule.app, "send_task", lambda name, **how: sent.append((name, how["queue"])))
    schedule.request_removal()
    assert sent == []
    fail_flow(OLD)
    sent.clear()
    schedule.request_removal()
    assert sent == [("ops.apply_retention", "control")]


def test_an_open_flow_must_still_have_the_repo_that_it_was_cloned_from():
    made = scenes.make_flow()
    with pytest.raises(Exception, match="flow_origin_while_open"):
        Flow.objects.filter(pk=made.pk).update(origin="git+https://git.example.org/a.git@c0ffee")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_no_statement_reads_a_million_flows():
    """EXPLAIN with a million flows, of which few are due: every way in is an index."""
    made = fail_flow(1)
    ended = "now() - n * interval '1 minute'"
    copies = f"AS old, {NUMBERS} WHERE"
    numbers = {"template": made.pk, "low": 1, "high": 1_000_000}
    flows = compose_insert(
        Flow,
        {"id": NEW_ID, "created_at": ended, "finished_at": ended},
        f"flows_flow {copies} old.id = %(template)s",
    )
    events = compose_insert(
        FlowEvent,
        {"flow_id": NEW_ID, "created_at": ended},
        f"flows_flowevent {copies} old.flow_id = %(template)s",
    )
    with connection.cursor() as cursor:
        cursor.execute(flows, numbers)
        cursor.execute(events, numbers)
        cursor.execute("VACUUM ANALYZE flows_flow")
        cursor.execute("VACUUM ANALYZE flows_flowevent")
    values = {"days": 600, "flows": 100, "kind": "events", "freed": ["0" * 64]}
    for name, statement in removal._SQL.items():
        # By the planner's own choice for the two large tables; the others are empty, so an index only has to
        # be possible.
        for choice, tables in (("on", ("flows_flow ", "flows_flowevent ")), ("off", ("",))):
            with transaction.atomic():
                database.fetch_rows(f"SET LOCAL enable_seqscan = {choice}")
                rows = database.fetch_rows(f"EXPLAIN (COSTS OFF) {statement.sql}", values)
            plan = "\n".join(row[0] for row in rows)
            assert [table for table in tables if f"Seq Scan on {table}" in plan] == [], f"{name}:\n{plan}"
    assert removal.remove_due(seconds=20)[0].flows > 0
