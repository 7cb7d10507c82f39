"""What the statements of a block say, each in the words of its specification.

Sources: in-toto test-result v0.1; SLSA provenance v1; SLSA verification summary v1. Fields that start
with ``blocks_`` are extensions, which other readers ignore.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any

from blocks.format.canonical import dump_json, format_time, sha256
from blocks.format.manifest import GateFact
from blocks.format.statements import EDITED_BY, PROVENANCE, VERIFICATION_SUMMARY, Statement, gate_statement
from orchestrator.flows.evidence import call_records, tool_versions
from orchestrator.flows.evidence.manifest import Subject

_NAMESPACE = "urn:multi-llm-orchestrator"


@dataclass(frozen=True, slots=True)
class NamedStatement:
    """A statement to be signed, and its name in the block."""

    name: str
    statement: Statement


def test_result(subject: Subject, digests: Mapping[str, str], gate: GateFact) -> NamedStatement:
    """One gate's verdict, under the policy in force. Errored is FAILED: no result is never a pass."""
    passed = gate.verdict == "passed"
    predicate = {
        "result": "PASSED" if passed else "FAILED",
        "configuration": [_describe_policy(subject)],
        "passedTests" if passed else "failedTests": [gate.gate],
        "blocks_gate": asdict(gate) | {"evidence": dict(gate.evidence)},
    }
    return NamedStatement(gate_statement(gate.gate), Statement(digests, predicate))


def provenance(subject: Subject, digests: Mapping[str, str]) -> NamedStatement:
    """What the block was made from: request, context, prompts, models, tools, and each call with its cost
    in USD.
    """
    calls = _list_calls(subject)
    # Decimal throughout: a cost that is signed must not be a rounded binary fraction.
    cost = sum((Decimal(call.get("cost_usd", "0")) for call in calls), Decimal(0))
    predicate = {
        "buildDefinition": {
            "buildType": f"{_NAMESPACE}:flow:v1",
            "externalParameters": {"repo": subject.repo, "family": subject.family, "name": subject.name},
            "internalParameters": {
                "policy": dict(subject.policy),
                "models": sorted({call["model"] for call in calls}),
                # Absent where models wrote all of it.
                **({EDITED_BY: subject.edited_by} if subject.edited_by else {}),
            },
            "resolvedDependencies": _list_materials(subject),
        },
        "runDetails": {
            "builder": {"id": f"{_NAMESPACE}:builder", "version": tool_versions.list_versions()},
            "metadata": {
                "invocationId": subject.flow_id,
                "finishedOn": format_time(subject.sealed_at),
                "blocks_cost_usd": format(cost.normalize(), "f"),
                "blocks_calls": calls,
            },
        },
    }
    return NamedStatement(PROVENANCE, Statement(digests, predicate))


def verification_summary(
    subject: Subject, digests: Mapping[str, str], inputs: Mapping[str, bytes]
) -> NamedStatement:
    """The verdict over all gates. ``inputs``: path to bytes of the signed statements that it rests on."""
    block = f"{subject.repo}/{subject.family}/{subject.name}@{subject.flow_id}"
    predicate = {
        "verifier": {
            "id": f"{_NAMESPACE}:verifier",
            "version": {"multi-llm-orchestrator": tool_versions.own_version()},
        },
        "timeVerified": format_time(subject.sealed_at),
        "resourceUri": f"{_NAMESPACE}:block:{block}",
        "policy": {
            "uri": f"{_NAMESPACE}:policy:{subject.policy.get('mode', '')}",
            "digest": _describe_policy(subject)["digest"],
        },
        # The digests tie the verdict to exactly these statements; none can be swapped afterwards.
        "inputAttestations": [
            {"uri": path, "digest": {"sha256": sha256(content)}} for path, content in sorted(inputs.items())
        ],
        "verificationResult": "PASSED" if subject.verified else "FAILED",
        "verifiedLevels": ["BLOCKS_GATES_STRICT"] if subject.verified else [],
        "slsaVersion": "1.0",
    }
    return NamedStatement(VERIFICATION_SUMMARY, Statement(digests, predicate))


def _list_calls(subject: Subject) -> list[dict[str, Any]]:
    # The ledger also has the calls that failed; without a ledger (a replay) the subject's own facts are
    # all there is.
    recorded = call_records.list_calls(subject.flow_id)
    return recorded or [asdict(call) | {"tokens": dict(call.tokens)} for call in subject.calls]


def _describe_policy(subject: Subject) -> dict[str, Any]:
    return {
        "name": "policy",
        "digest": {"sha256": sha256(dump_json(dict(subject.policy)))},
        "annotations": dict(subject.policy),
    }


def _list_materials(subject: Subject) -> list[dict[str, Any]]:
    """Everything that the block was made from, by digest; what there was none of is left out."""
    digests = {
        "feature-request": sha256(subject.feature_request.encode()),
        "context-bundle": subject.context_sha256,
        "repo-snapshot": subject.snapshot_sha256,
        "repo-dependencies": subject.dependencies_sha256,
        tool_versions.SANDBOX_LOCK: tool_versions.hash_sandbox_lock(),
    }
    for name, digest in sorted(subject.prompts.items()):
        digests[f"prompt/{name}"] = digest
    materials = [{"name": name, "digest": {"sha256": digest}} for name, digest in digests.items() if digest]
    if subject.origin:
        materials.append(_describe_commit(subject.origin))
    return materials


def _describe_commit(origin: str) -> dict[str, Any]:
    """The commit that the snapshot was taken from, in the terms of SLSA and of in-toto's DigestSet."""
    uri, _, commit = origin.rpartition("@")
    return {"uri": uri, "name": "repo", "digest": {"gitCommit": commit}}
