"""A ``StageContext`` without an engine, and gates without a sandbox: the far sides of a stage."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from blocks.format import snapshot as snapshots
from gates.base import Candidate, GateReport, Policy, Verdict
from orchestrator.flows.flow_settings import FlowSettings
from orchestrator.flows.stage_protocol import Budget, Done, NewArtifact, Repair, StageResult
from providers.base import Completion, Request, StopReason, Usage

NONCE = "4f1c9a7be02d3365"
PLAN = {
    "block_name": "capital_ratio",
    "block_family": "compliance",
    "summary": "The capital ratio of a bank's exposures.",
    "steps": ["Weigh every exposure.", "Divide."],
    "entrypoints": [
        {
            "call": "capital_ratio",
            "summary": "The ratio.",
            "input": {
                "type": "object",
                "properties": {"capital": {"type": "string", "format": "decimal"}},
                "required": ["capital"],
            },
            "output": {"type": "string"},
            "raises": ["ValueError"],
        }
    ],
    "risks": [],
    "tests": ["8 of 100 is 0.08"],
}
CONTEXT = {
    "summary": "Ledgers of a bank.",
    "conventions": ["Money is Decimal."],
}
CONTRACT = {
    "contract": 1,
    "family": "compliance",
    "name": "capital_ratio",
    "version": "1.0.0",
    "entrypoints": PLAN["entrypoints"],
}
MODULE = '"""Capital ratio."""\n\n\ndef capital_ratio(capital):\n    return capital\n'
TESTS = "from capital_ratio import capital_ratio\n\n\ndef test_it():\n    assert capital_ratio(1) == 1\n"
APPROVAL = {"verdict": "approve", "summary": "Right.", "findings": []}


def delimited(files: Mapping[str, str], nonce: str = NONCE) -> str:
    return "".join(f"<<<FILE {path} {nonce}>>>\n{text}<<<END {nonce}>>>\n" for path, text in files.items())


def implementation(module: str = MODULE) -> str:
    return delimited(
        {
            "capital_ratio.py": module,
            "test_capital_ratio.py": TESTS,
            "contract.json": json.dumps(CONTRACT) + "\n",
        }
    )


def only(path: str) -> str:
    """One file of the implementation."""
    files = {
        "capital_ratio.py": MODULE,
        "test_capital_ratio.py": TESTS,
        "contract.json": json.dumps(CONTRACT) + "\n",
    }
    return delimited({path: files[path]})


README = delimited({"README.md": "# Capital ratio\n"})


@dataclass(frozen=True)
class Stopped:
    """An answer with another stop reason than the end."""

    reason: StopReason
    text: str = ""


@dataclass
class FakeStageContext:
    """Keeps outputs and artifacts as the engine does, answers from a list of texts, notes the requests."""

    answers: list[str | Stopped] = field(default_factory=list)
    kind: str = ""
    round: int = 1
    stage_id: int = 1
    feedback: str = ""
    feature_request: str = "# Basel I capital ratio\n\nDivide capital by weighted exposures."
    block_family: str = ""
    pinned: dict[str, Any] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=lambda: {"ledger.py": b"def capital(): ...\n"})
    origin: str = ""
    clone_url: str = ""
    flow_id: str = "task_00000000000000000000"
    repo: str = "compliance-service"
    attempt_number: int = 1
    nonce: str = NONCE
    outputs: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    artifacts: dict[str, bytes] = field(default_factory=dict)
    requests: list[tuple[str, Request]] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    stored: dict[str, bytes] = field(default_factory=dict)
    answering_model: str = ""
    left: Budget = field(default_factory=lambda: Budget(3600.0, Decimal(0), 20.0, Decimal("0.05")))

    @property
    def settings(self) -> FlowSettings:
        return FlowSettings.parse(self.pinned)

    @property
    def snapshot(self) -> bytes:
        return snapshots.pack(self.files) if self.files else b""

    def attach_snapshot(self, snapshot: bytes, origin: str) -> None:
        self.files, self.origin = snapshots.unpack(snapshot), origin

    def keep_artifacts(self, artifacts: tuple[NewArtifact, ...]) -> None:
        self.artifacts |= {artifact.kind: artifact.content for artifact in artifacts}

    def read_output(self, kind: str) -> Mapping[str, Any]:
        return self.outputs.get(kind, {})

    def read_artifact(self, kind: str) -> bytes | None:
        return self.artifacts.get(kind)

    def read_budget(self, again: str) -> Budget:
        assert again == "implement"
        return self.left

    def call_model(self, provider: str, request: Request) -> Completion:
        self.requests.append((provider, request))
        answer = self.answers.pop(0)
        stopped = answer if isinstance(answer, Stopped) else Stopped(StopReason.END, answer)
        usage = Usage(input_tokens=100, output_tokens=10)
        return Completion(
            stopped.text, stopped.reason, usage, self.answering_model or request.model, "req_1", {}
        )

    def store_evidence(self, content: bytes) -> str:
        digest = hashlib.sha256(content).hexdigest()
        self.stored[digest] = content
        return digest

    def report_progress(self, message: str, **data: Any) -> None:
        self.said.append(message)

    def run(self, stage: Any, *answers: str | Stopped) -> StageResult:
        """Run ``stage`` as its next stage in the flow, and keep what it leaves as the engine would."""
        self.answers, self.kind, self.stage_id = list(answers), stage.kind, self.stage_id + 1
        result: StageResult = stage.run(self)
        assert not self.answers, "the stage asked less than it was expected to"
        if isinstance(result, (Done, Repair)):
            self.outputs[stage.kind] = json.loads(json.dumps(dict(result.output)))
        for artifact in getattr(result, "artifacts", ()):
            assert len(artifact.kind) <= 100
            self.artifacts[artifact.kind] = artifact.content
        return result


class FakeGates:
    """Stands in for ``gates.runner.run_gates``: passes everything except the reports that it is given."""

    def __init__(self, *reports: GateReport) -> None:
        self.reports = {report.gate: report for report in reports}
        self.seen: list[tuple[Candidate, Policy, tuple[str, ...]]] = []

    def __call__(self, candidate: Candidate, policy: Policy, names: Sequence[str]) -> tuple[GateReport, ...]:
        self.seen.append((candidate, policy, tuple(names)))
        return tuple(self.reports.get(name) or passing(name) for name in names)


def passing(gate: str) -> GateReport:
    return GateReport(
        gate,
        Verdict.PASSED,
        "All well.",
        score=Decimal("97.5"),
        threshold=Decimal(90),
        evidence={f"{gate}.json": b"{}"},
    )


def failing(gate: str, summary: str = "Two mutants survived.", **more: Any) -> GateReport:
    return GateReport(
        gate,
        Verdict.FAILED,
        summary,
        feedback=f"{gate}: fix it",
        cure="Fix schema or implementation, then retry.",
        **more,
    )


Gates = Callable[..., FakeGates]
