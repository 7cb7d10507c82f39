"""The audit of the evidence: the chain of each repo, and what the store holds for it. The first break is named."""

import json
from dataclasses import dataclass

from cryptography.hazmat.primitives.serialization import load_pem_public_key
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import FormatError, VerificationError
from securesystemslib.signer import SSlibKey  # type: ignore[attr-defined]  # its __init__ names no exports

from orchestrator.flows.evidence import archive, canonical, log, statements, store
from orchestrator.flows.evidence.manifest import MANIFEST
from orchestrator.flows.models import Block, EvidenceKey, EvidenceLog


@dataclass(frozen=True, slots=True)
class Break:
    """Where the evidence of a repo does not hold. ``sequence`` 0: a block that the log does not know."""

    repo: str
    sequence: int
    flow: str
    what: str


@dataclass(frozen=True, slots=True)
class Audited:
    """What a walk over one repo's log came to; ``undelivered`` counts sealings of which no block came."""

    repo: str
    entries: int
    undelivered: int
    found: Break | None


def repos() -> list[str]:
    """Every repo that has a log or a block."""
    logged = EvidenceLog.objects.order_by().values_list("repo", flat=True).distinct()
    return sorted({*logged, *Block.objects.order_by().values_list("repo__name", flat=True).distinct()})


def walk(repo: str, keep: store.Store) -> Audited:
    """Follow the chain of ``repo`` from its first entry to the first break."""
    manifests = dict(Block.objects.filter(repo__name=repo).values_list("flow_id", "manifest_id"))
    entries = undelivered = 0
    previous, logged = log.START, set()
    for row in EvidenceLog.objects.filter(repo=repo).order_by("sequence").iterator(chunk_size=500):
        entries += 1
        delivered = manifests.get(row.flow) == row.manifest_sha256
        undelivered += not delivered
        wrong = _chained(row, entries, previous) or _signed(row) or (_stored(row, keep) if delivered else "")
        if wrong:
            return Audited(repo, entries, undelivered, Break(repo, row.sequence, row.flow, wrong))
        previous = row.hash
        logged.add((row.flow, row.manifest_sha256))
    unknown = sorted(set(manifests.items()) - logged)
    gone = (
        Break(repo, 0, unknown[0][0], "the block of this flow has no entry in the log") if unknown else None
    )
    return Audited(repo, entries, undelivered, gone)


def _chained(row: EvidenceLog, expected: int, previous: str) -> str:
    if row.sequence != expected:
        return f"entry {expected} is missing"
    if row.previous_hash != previous:
        return "it does not follow the entry before it: one of the two was changed or put in"
    if row.hash != log.hash_of(log.facts(row)):
        return "its hash is not that of its content: it was changed"
    return ""


def _signed(row: EvidenceLog) -> str:
    known = EvidenceKey.objects.filter(key_id=row.key_id).first()
    if known is None:
        return f"it is signed with a key that nobody knows: {row.key_id}"
    public = SSlibKey.from_crypto(load_pem_public_key(known.public_pem.encode()), keyid=row.key_id)
    try:
        envelope = Envelope.from_dict(json.loads(row.envelope))
        envelope.verify([public], 1)
        predicate = json.loads(envelope.payload)["predicate"]
    except (ValueError, KeyError, TypeError, FormatError, VerificationError):
        return "its signature does not hold"
    return (
        ""
        if predicate == log.facts(row) | {"hash": row.hash}
        else "what was signed is not what the entry says"
    )


def _stored(row: EvidenceLog, keep: store.Store) -> str:
    """The objects of a delivered block, each against its digest, and the block's manifest and entry against the row."""
    key = store.record_key(row.repo, row.flow, row.sequence)
    raw = keep.get(key)
    if raw is None:
        return f"the store has no {key}"
    try:
        record = json.loads(raw)
        digests = {
            name: record[f"{name}_sha256"] for name in ("block", "bundle") if f"{name}_sha256" in record
        }
        contents = {name: keep.get(store.content_key(digest)) for name, digest in digests.items()}
        for name, content in contents.items():
            if content is None:
                return f"the store has lost its {name}"
            if canonical.sha256(content) != digests[name]:
                return f"the {name} in the store was changed"
        files = archive.unpack(contents["block"] or b"")
        manifest, entry = files[MANIFEST], files[statements.path_of("log-entry")]
    except (ValueError, KeyError, TypeError, OSError) as error:
        return f"{key} or its block cannot be read ({type(error).__name__})"
    if canonical.sha256(manifest) != row.manifest_sha256 or entry.decode(errors="replace") != row.envelope:
        return "the block in the store is another than the one in the log"
    return ""
