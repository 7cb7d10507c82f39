"""Signed statements about the files of a block: in-toto Statement v1, one file each under ``attestations/``.

Sources: in-toto attestation framework v1 (statement); in-toto test-result v0.1, SLSA provenance v1 and
SLSA verification summary v1 (types of predicates).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from blocks.format.canonical import dump_json, load_json
from blocks.format.envelope import check_fields
from blocks.format.errors import FormatError

FOLDER, SUFFIX = "attestations/", ".dsse.json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
TEST_RESULT, PROVENANCE = "test-result", "provenance"
VERIFICATION_SUMMARY, LOG_ENTRY = "verification-summary", "log-entry"
PREDICATE_TYPES: Mapping[str, str] = {
    TEST_RESULT: "https://in-toto.io/attestation/test-result/v0.1",
    PROVENANCE: "https://slsa.dev/provenance/v1",
    VERIFICATION_SUMMARY: "https://slsa.dev/verification_summary/v1",
    LOG_ENTRY: "urn:multi-llm-orchestrator:evidence-log:v1",
}
EDITED_BY = "edited_by"
"""In the internal parameters of the provenance: the person who edited the files; absent where nobody did."""
_STATEMENT_FIELDS = frozenset({"_type", "subject", "predicateType", "predicate"})
_SUBJECT_FIELDS = frozenset({"name", "digest"})
_DIGEST_FIELDS = frozenset({"sha256"})


@dataclass(frozen=True, slots=True)
class Statement:
    """What one statement says: ``digests`` maps the paths that it is about to their SHA-256."""

    digests: Mapping[str, str]
    predicate: Mapping[str, Any] = field(repr=False)


def statement_path(name: str) -> str:
    """Where the statement ``name`` is in a block. A gate's verdict is called ``test-result.<gate>``."""
    return f"{FOLDER}{name}{SUFFIX}"


def gate_statement(gate: str) -> str:
    """The name of the statement with the verdict of ``gate``."""
    return f"{TEST_RESULT}.{gate}"


def write_statement(name: str, statement: Statement) -> bytes:
    """The payload of the statement ``name``."""
    subjects = [
        # Sorted, so that signing the same files again gives the same bytes.
        {"name": path, "digest": {"sha256": digest}}
        for path, digest in sorted(statement.digests.items())
    ]
    return dump_json(
        {
            "_type": STATEMENT_TYPE,
            "subject": subjects,
            "predicateType": PREDICATE_TYPES[_kind_of(name)],
            "predicate": dict(statement.predicate),
        }
    )


def read_statement(name: str, payload: bytes) -> Statement:
    """The statement in ``payload``, if its kind is the one that ``name`` says; raises ``FormatError``."""
    found = check_fields(load_json(payload, "the statement"), _STATEMENT_FIELDS)
    kind = PREDICATE_TYPES.get(_kind_of(name))
    # A file's name is outside of its signature: without this check a statement could be passed off as one of
    # another kind.
    if kind is None or found["_type"] != STATEMENT_TYPE or found["predicateType"] != kind:
        raise FormatError("holds another kind of statement than its name says")
    if not isinstance(found["subject"], list) or not isinstance(found["predicate"], dict):
        raise FormatError("is not a statement about files")
    digests: dict[str, str] = {}
    for subject in found["subject"]:
        path = check_fields(subject, _SUBJECT_FIELDS)["name"]
        digest = check_fields(subject["digest"], _DIGEST_FIELDS)["sha256"]
        # A path that is named twice could have two digests, and readers would differ about which one counts.
        if not isinstance(path, str) or not isinstance(digest, str) or path in digests:
            raise FormatError("is not a statement about files")
        digests[path] = digest
    return Statement(digests, found["predicate"])


def _kind_of(name: str) -> str:
    return TEST_RESULT if name.startswith(f"{TEST_RESULT}.") else name
