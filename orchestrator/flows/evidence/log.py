"""The hash-chained log of a repo: one entry for each sealing, each holding the hash of the one before.

A block keeps a point of the chain: an entry that is later removed, changed or put in contradicts it. A
trigger refuses changes of rows. The log names repo and flow by text, because it outlives their rows.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from django.db import transaction

from blocks.format.canonical import dump_json, sha256
from blocks.format.envelope import seal_envelope
from blocks.format.manifest import MANIFEST
from blocks.format.statements import LOG_ENTRY, Statement, write_statement
from orchestrator.core import database
from orchestrator.flows.evidence.keys import SigningKey
from orchestrator.flows.models import EvidenceKey, EvidenceLog

START = "0" * 64
"""What the first entry of a repo has as the hash before it."""
# The second argument keeps these locks apart from other advisory locks of the same text.
_LOCK_CHAIN = "SELECT pg_advisory_xact_lock(hashtextextended(%(key)s, 1))"


def first_sealed_at(flow_id: str) -> datetime:
    """When ``flow_id`` was first sealed, else now: a sealing that is run again writes the same bytes
    again.
    """
    entries = EvidenceLog.objects.filter(flow=flow_id).order_by("id")
    first = entries.values_list("created_at", flat=True).first()
    # Whole seconds, because the manifest has no others.
    return first or datetime.now(UTC).replace(microsecond=0)


def append(
    key: SigningKey, *, repo: str, flow_id: str, manifest: bytes, signed: Mapping[str, bytes], at: datetime
) -> EvidenceLog:
    """The entry for a block with ``manifest`` and the statements ``signed`` (path to bytes).

    The same content of the same flow gives the entry that is there. The lock of the repo's chain is held
    to the end of the transaction, so entries follow each other without a gap.
    """
    digests = {MANIFEST: sha256(manifest)} | {path: sha256(data) for path, data in signed.items()}
    content = sha256(dump_json(digests))
    with transaction.atomic():
        database.fetch_rows(_LOCK_CHAIN, {"key": f"evidence/{repo}"})
        same = EvidenceLog.objects.filter(repo=repo, flow=flow_id, content_sha256=content, key_id=key.key_id)
        found = same.first()
        if found is not None:
            return found
        # Read under the lock: between here and the commit nobody else can append to this chain.
        last = EvidenceLog.objects.filter(repo=repo).order_by("-sequence").first()
        entry = {
            "repo": repo,
            "sequence": last.sequence + 1 if last else 1,
            "flow": flow_id,
            "manifest_sha256": digests[MANIFEST],
            "content_sha256": content,
            "previous_hash": last.hash if last else START,
        }
        chained = entry | {"hash": hash_entry(entry)}
        # In the same transaction: no entry is ever signed with a key that the audit does not know.
        EvidenceKey.objects.get_or_create(key_id=key.key_id, defaults={"public_pem": key.public_pem})
        payload = write_statement(LOG_ENTRY, Statement(digests, chained))
        text = seal_envelope(payload, key.key_id, key.private).decode()
        return EvidenceLog.objects.create(**chained, envelope=text, key_id=key.key_id, created_at=at)


def hash_entry(entry: Mapping[str, Any]) -> str:
    """SHA-256 of an entry without its own hash, as canonical JSON."""
    return sha256(dump_json(dict(entry)))


def chained_facts(row: EvidenceLog) -> dict[str, Any]:
    """What the hash of ``row`` is made of."""
    names = ("repo", "sequence", "flow", "manifest_sha256", "content_sha256", "previous_hash")
    return {name: getattr(row, name) for name in names}
