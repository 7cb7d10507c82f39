"""The audit names the first break in the log or the store."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.core.management import CommandError, call_command
from django.db import connection

from orchestrator.flows.evidence import audit, sealing, store
from orchestrator.flows.models import EvidenceKey
from tests import scenes
from tests.flows.evidence.subjects import SUBJECT

pytestmark = pytest.mark.django_db
REPO = "compliance-service"


def blocks(count: int = 3) -> list[str]:
    """Flows that have passed, in the order of their sealing."""
    return [scenes.run_through(scenes.make_flow()).id for _ in range(count)]


def meddle(sql: str, *params: str | int) -> None:
    """What only somebody with the database's own rights can do."""
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE flows_evidencelog DISABLE TRIGGER USER")
        cursor.execute(sql, params)
        cursor.execute("ALTER TABLE flows_evidencelog ENABLE TRIGGER USER")


def test_a_log_that_holds(capsys: pytest.CaptureFixture[str]) -> None:
    blocks()
    sealing.seal(replace(SUBJECT, flow_id="task_undelivered"))
    assert audit.audit_repo(REPO, store.current_store()) == audit.AuditResult(REPO, 4, 1, None)
    call_command("audit_evidence")
    assert capsys.readouterr().out == f"{REPO}: 4 entries hold, 1 of them sealed and not delivered\n"


@pytest.mark.parametrize(
    ("sql", "sequence", "what"),
    [
        ("DELETE FROM flows_evidencelog WHERE sequence = 2", 3, "entry 2 is missing"),
        ("UPDATE flows_evidencelog SET flow = 'task_x' WHERE sequence = 2", 2, "was changed"),
        (
            "UPDATE flows_evidencelog SET previous_hash = repeat('0', 64) WHERE sequence = 3",
            3,
            "does not follow",
        ),
        (
            "UPDATE flows_evidencelog SET envelope = replace(envelope, 'e', 'f') WHERE sequence = 1",
            1,
            "signature",
        ),
        ("UPDATE flows_evidencelog SET key_id = 'x' WHERE sequence = 1", 1, "unknown key"),
        (
            (
                "UPDATE flows_evidencelog "
                "SET envelope = (SELECT max(envelope) FROM flows_evidencelog WHERE sequence = 3)"
            ),
            1,
            "what was signed is not",
        ),
        ("DELETE FROM flows_evidencelog WHERE sequence = 3", 0, "no entry in the log"),
    ],
)
def test_a_log_that_was_tampered_with(sql: str, sequence: int, what: str) -> None:
    blocks()
    meddle(sql)
    found = audit.audit_repo(REPO, store.current_store()).found
    assert found is not None
    assert found.sequence == sequence
    assert what in found.what
    with pytest.raises(CommandError):
        call_command("audit_evidence", "--repo", REPO)


def changed(path: Path) -> None:
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-1] + b"?")


@pytest.mark.parametrize(
    ("harm", "what"),
    [(Path.unlink, "the store has lost its block"), (changed, "the block in the store was changed")],
)
def test_an_object_that_was_lost_or_changed(
    settings: LazySettings, harm: Callable[[Path], None], what: str
) -> None:
    flow = blocks()[1]
    root = Path(settings.STATE_DIR) / "evidence"
    record = json.loads((root / store.record_key(REPO, flow, 2)).read_bytes())
    harm(root / store.content_key(record["block_sha256"]))
    found = audit.audit_repo(REPO, store.current_store()).found
    assert found is not None
    assert (found.sequence, found.flow, found.what) == (2, flow, what)


def test_a_record_that_was_lost(settings: LazySettings) -> None:
    flow = blocks(1)[0]
    (Path(settings.STATE_DIR) / "evidence" / store.record_key(REPO, flow, 1)).unlink()
    found = audit.audit_repo(REPO, store.current_store()).found
    assert found is not None
    assert "the store has no repos/" in found.what
    assert EvidenceKey.objects.count() == 1
