"""A subject to seal, small but whole."""

import hashlib
import json
from datetime import UTC, datetime
from decimal import Decimal

from blocks.format.manifest import CallFact, GateFact
from orchestrator.flows.evidence.manifest import Subject

CONTRACT = {"contract": 1, "family": "compliance", "name": "ratio", "version": "1.0.0", "entrypoints": []}
SUBJECT = Subject(
    flow_id="task_1",
    repo="compliance-service",
    family="compliance",
    name="ratio",
    summary="A ratio.",
    verified=True,
    quality_score=Decimal("97.50"),
    files={
        "ratio.py": b"x = 1\n",
        "test_ratio.py": b"from ratio import x\n\n\ndef test_x():\n    assert x == 1\n",
        "contract.json": json.dumps(CONTRACT).encode(),
        "README.md": b"# Ratio\n",
        "evidence/coverage/coverage.json": b"{}",
        "evidence/review/review.json": b"",
    },
    gates=(
        GateFact(
            "coverage",
            "passed",
            "All.",
            1,
            "98.1",
            "90",
            {"coverage.json": hashlib.sha256(b"{}").hexdigest()},
        ),
        GateFact("review", "passed", "Fine.", 1),
    ),
    calls=(CallFact("plan", 1, "anthropic", "claude-sonnet-4-5", "req_1", {"input_tokens": 3}),),
    prompts={"plan.v1": "cd" * 32},
    policy={"mode": "strict", "min_unit_coverage": "90", "min_mutation_kill_rate": "60"},
    context_sha256="ef" * 32,
    snapshot_sha256="12" * 32,
    origin="git+https://git.example.org/a/b@" + "34" * 20,
    dependencies_sha256="56" * 32,
    feature_request="# Ratio",
    sealed_at=datetime(2026, 1, 2, tzinfo=UTC),
)
