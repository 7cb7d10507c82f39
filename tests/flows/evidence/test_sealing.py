"""What sealing makes: statements that verify with third-party libraries, a log that only grows, the
same bytes again.
"""

import base64
import gzip
import io
import json
import subprocess
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from django.db import IntegrityError, connection, transaction
from google.protobuf.json_format import ParseDict
from in_toto_attestation.v1.statement import Statement
from in_toto_attestation.v1.statement_pb2 import Statement as Pb
from securesystemslib.dsse import Envelope
from securesystemslib.signer import SSlibKey

from blocks.format import archive
from orchestrator.flows.evidence import keys, log, sealing, store
from orchestrator.flows.models import EvidenceLog
from tests.flows.evidence.subjects import SUBJECT

pytestmark = pytest.mark.django_db
NAMES = ("test-result.coverage", "test-result.review", "provenance", "verification-summary", "log-entry")


def statement(files: Any, name: str) -> dict[str, Any]:
    envelope = json.loads(files[f"attestations/{name}.dsse.json"])
    found: dict[str, Any] = json.loads(base64.b64decode(envelope["payload"]))
    return found


def test_every_statement_verifies_with_third_party_libraries() -> None:
    files = sealing.seal(SUBJECT).files
    key = keys.current_key()
    pem = load_pem_public_key(key.public_pem.encode())
    public = SSlibKey.from_crypto(pem, keyid=key.key_id)  # type: ignore[arg-type]
    for name in NAMES:
        envelope = Envelope.from_dict(json.loads(files[f"attestations/{name}.dsse.json"]))
        assert envelope.verify([public], 1)
        Statement.copy_from_pb(ParseDict(json.loads(envelope.payload), Pb())).validate()


def test_every_statement_but_the_log_is_about_every_file() -> None:
    files = sealing.seal(SUBJECT).files
    for name in NAMES[:-1]:
        assert {s["name"] for s in statement(files, name)["subject"]} == {*SUBJECT.files, "manifest.json"}
    assert {s["name"] for s in statement(files, "log-entry")["subject"]} == {
        "manifest.json",
        *(f"attestations/{name}.dsse.json" for name in NAMES[:-1]),
    }


def test_provenance_names_the_repo_by_digest_and_the_commit_it_was_cloned_at() -> None:
    materials = statement(sealing.seal(SUBJECT).files, "provenance")["predicate"]["buildDefinition"][
        "resolvedDependencies"
    ]
    assert {"name": "repo-snapshot", "digest": {"sha256": "12" * 32}} in materials
    commit = {"name": "repo", "uri": "git+https://git.example.org/a/b", "digest": {"gitCommit": "34" * 20}}
    assert commit in materials
    sent = replace(SUBJECT, flow_id="task_2", origin="")
    materials = statement(sealing.seal(sent).files, "provenance")["predicate"]["buildDefinition"][
        "resolvedDependencies"
    ]
    assert commit not in materials


def test_verdicts_are_in_the_words_of_their_specifications() -> None:
    failing = replace(
        SUBJECT, verified=False, gates=(replace(SUBJECT.gates[0], verdict="errored"), SUBJECT.gates[1])
    )
    for subject, verdict in ((SUBJECT, "PASSED"), (failing, "FAILED")):
        files = sealing.seal(subject).files
        assert statement(files, "test-result.coverage")["predicate"]["result"] == verdict
        assert statement(files, "test-result.review")["predicate"]["result"] == "PASSED"
        assert statement(files, "verification-summary")["predicate"]["verificationResult"] == verdict


def test_provenance_names_models_prompts_context_and_tools() -> None:
    predicate = statement(sealing.seal(SUBJECT).files, "provenance")["predicate"]
    build = predicate["buildDefinition"]
    assert build["internalParameters"]["models"] == ["claude-sonnet-4-5"]
    named = {
        each["name"]: each["digest"]["sha256"]
        for each in build["resolvedDependencies"]
        if "sha256" in each["digest"]
    }
    assert named["prompt/plan.v1"] == "cd" * 32
    assert named["context-bundle"] == "ef" * 32
    assert {"python", "coverage", "bandit"} <= set(predicate["runDetails"]["builder"]["version"])
    assert predicate["runDetails"]["metadata"]["blocks_calls"][0]["tokens"] == {"input_tokens": 3}


def test_sealing_again_gives_the_same_bytes_and_no_second_entry() -> None:
    first = sealing.seal(SUBJECT)
    assert log.first_sealed_at(SUBJECT.flow_id) == SUBJECT.sealed_at
    assert sealing.seal(SUBJECT) == first
    assert EvidenceLog.objects.count() == 1
    assert sealing.seal(replace(SUBJECT, summary="Another.")).sequence == 2


def test_the_chain_of_a_repo_is_its_own() -> None:
    for number in (1, 2, 3):
        assert sealing.seal(replace(SUBJECT, flow_id=f"task_{number}")).sequence == number
    assert sealing.seal(replace(SUBJECT, repo="other", flow_id="task_9")).sequence == 1
    rows = list(EvidenceLog.objects.filter(repo=SUBJECT.repo))
    assert [row.previous_hash for row in rows] == [log.START, rows[0].hash, rows[1].hash]
    assert all(row.hash == log.hash_entry(log.chained_facts(row)) for row in rows)


@pytest.mark.parametrize("sql", ["UPDATE flows_evidencelog SET flow = 'x'", "DELETE FROM flows_evidencelog"])
def test_the_log_refuses_changes(sql: str) -> None:
    sealing.seal(SUBJECT)
    with (
        pytest.raises(IntegrityError, match="only grows"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(sql)


def test_block_and_bundle_are_in_the_store_before_sealing_returns() -> None:
    sealed = sealing.seal(SUBJECT, b"the bundle")
    keep = store.current_store()
    record = json.loads(keep.get(store.record_key(SUBJECT.repo, SUBJECT.flow_id, sealed.sequence)) or b"")
    assert keep.get(store.content_key(record["block_sha256"])) == sealed.block
    assert keep.get(store.content_key(record["bundle_sha256"])) == b"the bundle"
    assert record["manifest_sha256"] == sealed.sha256


def test_the_archive_is_plain_tar_and_gzip_to_other_tools(tmp_path: Path) -> None:
    files = {"b/c.txt": b"2" * 100_000, "a": b""}
    packed = archive.pack(files)
    assert packed == archive.pack(dict(reversed(files.items()))) != archive.pack({**files, "a": b"3"})
    assert archive.unpack(packed) == files
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(packed))) as tar:
        assert tar.getnames() == ["a", "b/c.txt"]
    (tmp_path / "x.tar.gz").write_bytes(packed)
    subprocess.run(["tar", "-xzf", "x.tar.gz"], cwd=tmp_path, check=True)
    assert (tmp_path / "b/c.txt").read_bytes() == files["b/c.txt"]
