"""Sealing: manifest, statements, log entry, archive; stored before anybody is told that the flow has passed."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from orchestrator.flows.evidence import (
    archive,
    canonical,
    envelope,
    keys,
    log,
    manifest,
    setup,
    statements,
    store,
)
from orchestrator.flows.evidence.manifest import MANIFEST, Subject


@dataclass(frozen=True, slots=True)
class Sealed:
    """A block with its proof. ``files`` are all of the delivered ones, ``block`` their archive, ``sha256`` its manifest's."""

    manifest: bytes = field(repr=False)
    sha256: str
    files: Mapping[str, bytes] = field(repr=False)
    block: bytes = field(repr=False)
    sequence: int


def seal(subject: Subject, bundle: bytes = b"") -> Sealed:
    """Sign, log and store ``subject`` with the context ``bundle`` that it was made from; raises ``EvidenceError``.

    Safe to run again: the same facts give the same bytes and the same entry, and a store takes the same bytes twice.
    """
    keep = setup.sound()
    key = keys.current()
    text = manifest.write(subject)
    files = {**subject.files, MANIFEST: text}
    signed = _statements(key, subject, files)
    entry = log.append(
        key, repo=subject.repo, flow_id=subject.flow_id, manifest=text, signed=signed, at=subject.sealed_at
    )
    files |= signed | {statements.path_of("log-entry"): entry.envelope.encode()}
    sealed = Sealed(text, canonical.sha256(text), files, archive.pack(files), entry.sequence)
    _store(keep, subject, sealed, bundle)
    return sealed


def _statements(key: keys.SigningKey, subject: Subject, files: Mapping[str, bytes]) -> dict[str, bytes]:
    digests = {path: canonical.sha256(content) for path, content in files.items()}
    inputs = [
        *(statements.test_result(subject, gate) for gate in subject.gates),
        statements.provenance(subject),
    ]
    signed = {each.path: envelope.sign(key, digests, each.type, each.content) for each in inputs}
    summary = statements.verification_summary(subject, signed)
    return signed | {summary.path: envelope.sign(key, digests, summary.type, summary.content)}


def _store(keep: store.Store, subject: Subject, sealed: Sealed, bundle: bytes) -> None:
    record: dict[str, str | int] = {
        "repo": subject.repo,
        "flow": subject.flow_id,
        "sequence": sealed.sequence,
        "manifest_sha256": sealed.sha256,
    }
    for name, content in (("block", sealed.block), ("bundle", bundle)):
        if content:
            record[f"{name}_sha256"] = store.put_content(keep, content, subject.sealed_at)
    # Last, so that what it names is there.
    key = store.record_key(subject.repo, subject.flow_id, sealed.sequence)
    keep.put(key, canonical.json_bytes(record), store.retain_until(subject.sealed_at))
