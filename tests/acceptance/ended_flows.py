"""A deployment that has run for a year: many flows that have ended, with all that they leave behind."""

from django.db import connection, models
from django.utils import timezone

from bench.ops_scale_driver import DAYS, seed_flows, store_copies
from bench.stored_flows import NEW_ID, NUMBERS, compose_insert
from orchestrator.core.models import AuditEntry
from orchestrator.flows.models import Artifact, Blob, Block, EvidenceLog, Flow, Replay
from orchestrator.ops.incidents.models import Incident
from orchestrator.ops.notifications.models import DeliveryAttempt, Notification
from providers.models import BudgetState, ProviderState, RepoUse

# The first copy is the oldest, as among flows.
_TIME = "now() - make_interval(secs => (%(flows)s - n) * %(seconds)s)"
_DIGEST = "lpad(n::text, 64, '0')"
_REPO = f"(SELECT repo_id FROM flows_flow WHERE id = {NEW_ID})"
_STAGE = f"(SELECT id FROM flows_stage WHERE flow_id = {NEW_ID} AND kind = 'seal')"
# A replay is made of one of so many flows, and an incident comes after as many.
_RARE = "AND n %% 2000 = 0"
_MARK_DAYS = """
INSERT INTO rollups_rollupday (day, through, counted_at)
SELECT day, (day + interval '1 day')::timestamp AT TIME ZONE 'UTC', now()
FROM generate_series(current_date - %(days)s, current_date - 1, '1 day') AS day
ON CONFLICT DO NOTHING
"""


def seed_year(flows: int) -> None:
    """Store ``flows`` ended flows with all that they leave behind; replays and incidents are rarer.

    Past days count as counted, and the limiter's counters are made from the ledger by the next call.
    """
    seed_flows(flows)
    template = Flow.objects.exclude(pk__startswith="task_00").get()
    values: dict[str, str | float] = {
        "low": 1,
        "high": flows,
        "flows": flows,
        "seconds": DAYS * 86400 / flows,
    }
    copies = [*_compose_files(template), *_compose_messages(template), *_compose_rare(template)]
    store_copies(copies, values)
    with connection.cursor() as cursor:
        cursor.execute(_MARK_DAYS, {"days": DAYS + 1})
        for model in (ProviderState, RepoUse, BudgetState):
            cursor.execute(f"DELETE FROM {model._meta.db_table}")
        cursor.execute("VACUUM ANALYZE")


def _compose_files(template: Flow) -> list[str]:
    repo, stage = template.repo, template.stages.get(kind="seal")
    # Most events are of stages.
    event = template.events.filter(kind="stage.passed").latest("pk")
    blob = Blob.objects.create(sha256="f" * 64, content=b"what a stage left behind", size=24, repo=repo)
    file = Artifact.objects.create(flow=template, stage=stage, kind="bundle", name="bundle.json", blob=blob)
    block = Block(flow=template, repo=repo, family="f", name="b", version=1, manifest=blob)
    block.quality_score, block.verified = 90, True
    block.save()
    entry = EvidenceLog(repo=repo.name, sequence=1, flow=template.pk, hash="f" * 64, envelope="{}")
    entry.created_at = timezone.now()
    entry.save()
    return [
        _copy(blob, {"sha256": _DIGEST, "repo_id": _REPO}),
        _copy(file, {"flow_id": NEW_ID, "stage_id": _STAGE, "blob_id": _DIGEST}),
        _copy(block, {"flow_id": NEW_ID, "repo_id": _REPO, "version": "1 + n", "manifest_id": _DIGEST}),
        _copy(entry, {"flow": NEW_ID, "sequence": "1 + n", "hash": _DIGEST}),
        _copy(event, {"flow_id": NEW_ID, "stage_id": _STAGE, "created_at": _TIME}),
    ]


def _compose_messages(template: Flow) -> list[str]:
    message = Notification.objects.create(
        notifier="slack", target="#blocks", body="Passed.", status="sent", sent_at=template.finished_at
    )
    sent = DeliveryAttempt.objects.create(notification=message, duration_ms=9, accepted=True, result="200")
    copied = f"JOIN notifications_notification AS copied ON copied.receipt = {NEW_ID}"
    return [
        _copy(message, {"key": "gen_random_uuid()", "receipt": NEW_ID, "sent_at": _TIME}),
        _copy(sent, {"notification_id": "copied.id"}, join=copied),
        _copy(AuditEntry.objects.earliest("pk"), {"subject_key": NEW_ID, "at": _TIME}),
    ]


def _compose_rare(template: Flow) -> list[str]:
    now = timezone.now()
    replay = Replay.objects.create(flow=template, kind="gates", status="done", same=True, finished_at=now)
    incident = Incident(title="Calls fail", severity="P3", status="resolved", source="person")
    incident.commander = "SRE lead"
    incident.detected_at = incident.opened_at = incident.resolved_at = now
    incident.save()
    return [
        _copy(replay, {"flow_id": NEW_ID}, where=_RARE),
        _copy(incident, {"detected_at": _TIME, "opened_at": _TIME}, where=_RARE),
    ]


def _copy(original: models.Model, replaced: dict[str, str], *, join: str = "", where: str = "") -> str:
    table, key = original._meta.db_table, original._meta.pk
    assert key is not None
    source = f"{table} AS old CROSS JOIN {NUMBERS} {join} WHERE old.{key.column} = '{original.pk}' {where}"
    return compose_insert(type(original), replaced, source)
