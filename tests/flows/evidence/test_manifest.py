import hashlib
import json
from dataclasses import replace

from orchestrator.flows.evidence import manifest
from tests.flows.evidence.subjects import SUBJECT


def test_every_file_is_named_by_digest_and_size() -> None:
    written = json.loads(manifest.build_manifest(SUBJECT))
    assert written["files"]["ratio.py"] == {"sha256": hashlib.sha256(b"x = 1\n").hexdigest(), "size": 6}
    assert list(written["files"]) == sorted(SUBJECT.files)
    assert written["quality_score"] == "97.50"
    assert written["sealed_at"] == "2026-01-02T00:00:00Z"
    assert written["feature_request_sha256"] == hashlib.sha256(b"# Ratio").hexdigest()
    assert "# Ratio" not in manifest.build_manifest(replace(SUBJECT, files={})).decode()


def test_same_facts_give_the_same_bytes_and_any_change_others() -> None:
    written = manifest.build_manifest(SUBJECT)
    assert written == manifest.build_manifest(
        replace(SUBJECT, files=dict(reversed(list(SUBJECT.files.items()))))
    )
    assert written != manifest.build_manifest(replace(SUBJECT, verified=False))
    assert written != manifest.build_manifest(replace(SUBJECT, files={**SUBJECT.files, "README.md": b"\n"}))
