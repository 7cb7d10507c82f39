"""The predicates of a block's statements, each in the words of its specification.

Sources: in-toto test-result v0.1; SLSA provenance v1; SLSA verification summary v1. Fields that start with ``blocks_`` are
extensions; consumers ignore what they do not know.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any

from orchestrator.flows.evidence import canonical, ledger, tools
from orchestrator.flows.evidence.manifest import GateFact, Subject

TEST_RESULT = "https://in-toto.io/attestation/test-result/v0.1"
PROVENANCE = "https://slsa.dev/provenance/v1"
VERIFICATION_SUMMARY = "https://slsa.dev/verification_summary/v1"
LOG_ENTRY = "urn:multi-llm-orchestrator:evidence-log:v1"
OURS = "urn:multi-llm-orchestrator"


@dataclass(frozen=True, slots=True)
class Predicate:
    """One statement to be: the file that takes it, its type, what it says."""

    path: str
    type: str
    content: dict[str, Any]


def path_of(name: str) -> str:
    """Where the statement ``name`` lies in a block."""
    return f"attestations/{name}.dsse.json"


def test_result(subject: Subject, gate: GateFact) -> Predicate:
    """One gate's verdict, under the policy in force. What errored has failed: no result is never a pass."""
    content = {
        "result": "PASSED" if gate.verdict == "passed" else "FAILED",
        "configuration": [_policy(subject)],
        "passedTests" if gate.verdict == "passed" else "failedTests": [gate.gate],
        "blocks_gate": asdict(gate) | {"evidence": dict(gate.evidence)},
    }
    return Predicate(path_of(f"test-result.{gate.gate}"), TEST_RESULT, content)


def provenance(subject: Subject) -> Predicate:
    """From what and by whom the block was made: request, context, prompts, models, tools, and each call with its cost."""
    calls = ledger.calls(subject.flow_id) or [
        asdict(call) | {"tokens": dict(call.tokens)} for call in subject.calls
    ]
    cost = sum((Decimal(call.get("cost_usd", "0")) for call in calls), Decimal(0))
    content = {
        "buildDefinition": {
            "buildType": f"{OURS}:flow:v1",
            "externalParameters": {"repo": subject.repo, "family": subject.family, "name": subject.name},
            "internalParameters": {
                "policy": dict(subject.policy),
                "models": sorted({call["model"] for call in calls}),
            },
            "resolvedDependencies": _materials(subject),
        },
        "runDetails": {
            "builder": {"id": f"{OURS}:builder", "version": tools.versions()},
            "metadata": {
                "invocationId": subject.flow_id,
                "finishedOn": canonical.time_text(subject.sealed_at),
                "blocks_cost_usd": format(cost.normalize(), "f"),
                "blocks_calls": calls,
            },
        },
    }
    return Predicate(path_of("provenance"), PROVENANCE, content)


def verification_summary(subject: Subject, inputs: Mapping[str, bytes]) -> Predicate:
    """The verdict over all gates. ``inputs``: path to bytes of the signed statements that it rests on."""
    content = {
        "verifier": {
            "id": f"{OURS}:verifier",
            "version": {"multi-llm-orchestrator": tools.builder_version()},
        },
        "timeVerified": canonical.time_text(subject.sealed_at),
        "resourceUri": f"{OURS}:block:{subject.repo}/{subject.family}/{subject.name}@{subject.flow_id}",
        "policy": {
            "uri": f"{OURS}:policy:{subject.policy.get('mode', '')}",
            "digest": _policy(subject)["digest"],
        },
        "inputAttestations": [
            {"uri": path, "digest": {"sha256": canonical.sha256(content)}}
            for path, content in sorted(inputs.items())
        ],
        "verificationResult": "PASSED" if subject.verified else "FAILED",
        "verifiedLevels": ["BLOCKS_GATES_STRICT"] if subject.verified else [],
        "slsaVersion": "1.0",
    }
    return Predicate(path_of("verification-summary"), VERIFICATION_SUMMARY, content)


def _policy(subject: Subject) -> dict[str, Any]:
    return {
        "name": "policy",
        "digest": {"sha256": canonical.sha256(canonical.json_bytes(dict(subject.policy)))},
        "annotations": dict(subject.policy),
    }


def _materials(subject: Subject) -> list[dict[str, Any]]:
    digests = {
        "feature-request": canonical.sha256(subject.feature_request.encode()),
        "context-bundle": subject.context_sha256,
        "repo-snapshot": subject.snapshot_sha256,
        "repo-dependencies": subject.dependencies_sha256,
        tools.SANDBOX_LOCK: tools.sandbox_lock(),
        **{f"prompt/{name}": digest for name, digest in sorted(subject.prompts.items())},
    }
    named = [{"name": name, "digest": {"sha256": digest}} for name, digest in digests.items() if digest]
    return named + ([_commit(subject.origin)] if subject.origin else [])


def _commit(origin: str) -> dict[str, Any]:
    """The commit that the snapshot was taken from, in the terms of SLSA and of in-toto's DigestSet."""
    uri, _, commit = origin.rpartition("@")
    return {"uri": uri, "name": "repo", "digest": {"gitCommit": commit}}
