"""Sealing: manifest, statements, log entry and archive, all of it stored before the flow is called passed."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from blocks.format import archive
from blocks.format.canonical import dump_json, sha256
from blocks.format.envelope import seal_envelope
from blocks.format.manifest import MANIFEST
from blocks.format.statements import LOG_ENTRY, statement_path, write_statement
from orchestrator.flows.evidence import keys, log, predicates, setup, store
from orchestrator.flows.evidence.manifest import Subject, build_manifest
from orchestrator.flows.evidence.predicates import NamedStatement


@dataclass(frozen=True, slots=True)
class Sealed:
    """A block with its proof. ``files`` are all of its files, ``block`` is their archive, ``sha256`` the
    manifest's digest.
    """

    manifest: bytes = field(repr=False)
    sha256: str
    files: Mapping[str, bytes] = field(repr=False)
    block: bytes = field(repr=False)
    sequence: int


def seal(subject: Subject, bundle: bytes = b"") -> Sealed:
    """Sign, log and store ``subject`` with the context ``bundle`` that it was made from; raises
    ``EvidenceError``.

    Safe to run again: the same facts give the same bytes and the same entry, and a store takes the same
    bytes twice.
    """
    # First of all, so that nothing is signed or logged that cannot be kept.
    keep = setup.require_sound_store()
    key = keys.current_key()
    manifest = build_manifest(subject)
    files = {**subject.files, MANIFEST: manifest}
    signed = _sign_statements(key, subject, files)
    entry = log.append(
        key,
        repo=subject.repo,
        flow_id=subject.flow_id,
        manifest=manifest,
        signed=signed,
        at=subject.sealed_at,
    )
    files |= signed
    files[statement_path(LOG_ENTRY)] = entry.envelope.encode()
    sealed = Sealed(manifest, sha256(manifest), files, archive.pack(files), entry.sequence)
    _store(keep, subject, sealed, bundle)
    return sealed


def _sign_statements(key: keys.SigningKey, subject: Subject, files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Path to envelope of every statement but the log entry."""
    digests = {path: sha256(content) for path, content in files.items()}
    inputs = [predicates.test_result(subject, digests, gate) for gate in subject.gates]
    inputs.append(predicates.provenance(subject, digests))
    signed = {statement_path(each.name): _sign(key, each) for each in inputs}
    # Last, because it names the digests of the others.
    summary = predicates.verification_summary(subject, digests, signed)
    signed[statement_path(summary.name)] = _sign(key, summary)
    return signed


def _sign(key: keys.SigningKey, named: NamedStatement) -> bytes:
    return seal_envelope(write_statement(named.name, named.statement), key.key_id, key.private)


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
    # The record is written after what it names, so that a reader never finds a record without its content.
    key = store.record_key(subject.repo, subject.flow_id, sealed.sequence)
    keep.put(key, dump_json(record), store.retain_until(subject.sealed_at))
