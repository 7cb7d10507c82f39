"""The audit of the evidence: the chain of each repo, and what the store holds for it. The first break is
named.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from blocks.format import archive
from blocks.format.canonical import sha256
from blocks.format.envelope import open_envelope
from blocks.format.errors import FormatError
from blocks.format.keys import read_public_key
from blocks.format.manifest import MANIFEST
from blocks.format.statements import LOG_ENTRY, read_statement, statement_path
from orchestrator.flows.evidence import log, store
from orchestrator.flows.models import Block, EvidenceKey, EvidenceLog

_STORED_KINDS = ("block", "bundle")


@dataclass(frozen=True, slots=True)
class Break:
    """Where the evidence of a repo does not hold. ``sequence`` 0: a block without an entry in the log."""

    repo: str
    sequence: int
    flow: str
    what: str


@dataclass(frozen=True, slots=True)
class AuditResult:
    """What the audit of one repo's log found. ``undelivered`` counts sealings that led to no block."""

    repo: str
    entries: int
    undelivered: int
    found: Break | None


def list_repos() -> list[str]:
    """Every repo that has a log or a block."""
    logged = EvidenceLog.objects.order_by().values_list("repo", flat=True).distinct()
    with_blocks = Block.objects.order_by().values_list("repo__name", flat=True).distinct()
    return sorted({*logged, *with_blocks})


def audit_repo(repo: str, keep: store.Store) -> AuditResult:
    """Follow the chain of ``repo`` from its first entry to the first break."""
    manifests = dict(Block.objects.filter(repo__name=repo).values_list("flow_id", "manifest_id"))
    entries = undelivered = 0
    previous = log.START
    logged = set()
    for row in EvidenceLog.objects.filter(repo=repo).order_by("sequence").iterator(chunk_size=500):
        entries += 1
        # A crash between log and flow leaves an entry without a block, and nothing in the store to look for.
        delivered = manifests.get(row.flow) == row.manifest_sha256
        undelivered += not delivered
        wrong = _check_chain(row, entries, previous) or _check_signature(row)
        if delivered and not wrong:
            wrong = _check_stored(row, keep)
        if wrong:
            # One change breaks the links after it too, so only the first break says where it happened.
            return AuditResult(repo, entries, undelivered, Break(repo, row.sequence, row.flow, wrong))
        previous = row.hash
        logged.add((row.flow, row.manifest_sha256))
    # The other direction: an entry cut off the end of the chain leaves no gap, but its block is still there.
    missing = sorted(manifests.items() - logged)
    found = None
    if missing:
        found = Break(repo, 0, missing[0][0], "the block of this flow has no entry in the log")
    return AuditResult(repo, entries, undelivered, found)


def _check_chain(row: EvidenceLog, expected: int, previous: str) -> str:
    """What is wrong with the place of an entry; empty if nothing is."""
    if row.sequence != expected:
        return f"entry {expected} is missing"
    if row.previous_hash != previous:
        return "it does not follow the entry before it: one of the two was changed or put in"
    if row.hash != log.hash_entry(log.chained_facts(row)):
        return "its hash is not that of its content: it was changed"
    return ""


def _check_signature(row: EvidenceLog) -> str:
    # Every key that ever signed stays in this table, so entries outlive a change of the key.
    known = EvidenceKey.objects.filter(key_id=row.key_id).first()
    if known is None:
        return f"it is signed with an unknown key: {row.key_id}"
    try:
        _, public = read_public_key(known.public_pem.encode())
        signed = open_envelope(row.envelope.encode(), {row.key_id: public})
        predicate = read_statement(LOG_ENTRY, signed.payload).predicate
    except FormatError:
        return "its signature does not hold"
    if predicate != log.chained_facts(row) | {"hash": row.hash}:
        return "what was signed is not what the entry says"
    return ""


def _check_stored(row: EvidenceLog, keep: store.Store) -> str:
    """The objects of a delivered block, each against its digest, and the block's manifest and entry
    against the row.
    """
    key = store.record_key(row.repo, row.flow, row.sequence)
    raw = keep.get(key)
    if raw is None:
        return f"the store has no {key}"
    try:
        record = json.loads(raw)
        contents = _load_contents(record, keep)
        return _check_contents(record, contents) or _check_block(contents["block"], row)
    except (ValueError, KeyError, TypeError, OSError, FormatError) as error:
        return f"{key} or its block cannot be read ({type(error).__name__})"


def _load_contents(record: Mapping[str, Any], keep: store.Store) -> dict[str, bytes]:
    """Kind to bytes of what a record names; empty bytes where the store has lost it."""
    digests = {kind: record.get(f"{kind}_sha256") for kind in _STORED_KINDS}
    return {kind: keep.get(store.content_key(digest)) or b"" for kind, digest in digests.items() if digest}


def _check_contents(record: Mapping[str, Any], contents: Mapping[str, bytes]) -> str:
    for kind, content in contents.items():
        # Nothing empty is ever stored.
        if not content:
            return f"the store has lost its {kind}"
        if sha256(content) != record[f"{kind}_sha256"]:
            return f"the {kind} in the store was changed"
    return ""


def _check_block(packed: bytes, row: EvidenceLog) -> str:
    files = archive.unpack(packed)
    entry = files[statement_path(LOG_ENTRY)]
    if sha256(files[MANIFEST]) != row.manifest_sha256 or entry != row.envelope.encode():
        return "the block in the store is another than the one in the log"
    return ""
