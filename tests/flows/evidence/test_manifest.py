"""The manifest names every file by digest and is the same for the same facts."""

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

from orchestrator.flows.evidence import CallFact, GateFact, Subject, seal

SUBJECT = Subject(
    flow_id="task_1",
    repo="compliance-service",
    family="compliance",
    name="ratio",
    summary="A ratio.",
    verified=True,
    quality_score=Decimal("97.50"),
    files={"b.py": b"x = 1\n", "a.py": b""},
    gates=(GateFact("coverage", "passed", "All.", 1, "98.1", "90", {"coverage.json": "ab"}),),
    calls=(CallFact("plan", 1, "anthropic", "claude-sonnet-4-5", "req_1", {"input_tokens": 3}),),
    prompts={"plan.v1": "cd"},
    policy={"mode": "strict"},
    context_sha256="ef",
    feature_request="# Ratio",
    sealed_at=datetime(2026, 1, 2, tzinfo=UTC),
)


def test_every_file_is_named_by_digest_and_size() -> None:
    manifest = json.loads(seal(SUBJECT).manifest)
    assert manifest["files"]["b.py"] == {"sha256": hashlib.sha256(b"x = 1\n").hexdigest(), "size": 6}
    assert list(manifest["files"]) == ["a.py", "b.py"]
    assert manifest["quality_score"] == "97.50"
    assert manifest["feature_request_sha256"] == hashlib.sha256(b"# Ratio").hexdigest()
    assert "# Ratio" not in seal(SUBJECT).manifest.decode()


def test_same_facts_give_the_same_bytes_and_any_change_another_digest() -> None:
    sealed = seal(SUBJECT)
    assert sealed == seal(replace(SUBJECT, files=dict(reversed(SUBJECT.files.items()))))
    assert sealed.sha256 == hashlib.sha256(sealed.manifest).hexdigest()
    assert sealed.sha256 != seal(replace(SUBJECT, verified=False)).sha256
    assert sealed.sha256 != seal(replace(SUBJECT, files={**SUBJECT.files, "a.py": b"\n"})).sha256
