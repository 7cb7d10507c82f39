"""The output of each kind of stage: a value that the stage writes as JSON and that later stages parse.

A stage that has not passed yet has an empty output, which parses as the empty value.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from orchestrator.core.stored_values import StoredValue

PERSON = "person"
"""In place of a provider, where a person wrote the files."""


@dataclass(frozen=True, slots=True)
class RecordedCall(StoredValue):
    """One model call, as the provenance keeps it. ``tokens`` are by kind; ``repair_digest`` only where a
    repair was asked for.
    """

    model: str
    provider: str
    request_id: str
    tokens: Mapping[str, int]
    prompt: str
    prompt_digest: str
    round: int
    repair_digest: str = ""

    def to_json(self) -> dict[str, Any]:
        """What is stored."""
        stored = super(RecordedCall, self).to_json()
        # Absent, as in the rows from before there were digests of repairs.
        return stored if self.repair_digest else leave_out(stored, "repair_digest")


@dataclass(frozen=True, slots=True)
class KeptEvidence(StoredValue):
    """A file of a gate's evidence: its digest, and the kind of the artifact that holds it."""

    sha256: str
    artifact: str


@dataclass(frozen=True, slots=True)
class JudgedGate(StoredValue):
    """What one gate said. Scores and thresholds are percentages as text, evidence is by file name."""

    gate: str
    verdict: str
    summary: str
    score: str | None
    threshold: str | None
    seconds: float
    round: int
    evidence: Mapping[str, KeptEvidence] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ContextOutput(StoredValue):
    """What the librarian says of the repo, and what of it is in the bundle. ``relevant_paths`` are those of
    flows before version 3 of the prompt. ``modules`` and ``packages`` may be imported by the block. Files in
    ``unjudged`` could not be searched for secrets in their time and were left out.
    """

    summary: str = ""
    conventions: tuple[str, ...] = ()
    relevant_paths: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    bundle_sha256: str = ""
    bundle_bytes: int = 0
    included: tuple[str, ...] = ()
    outlined: tuple[str, ...] = ()
    omitted: int = 0
    redactions: int = 0
    unjudged: tuple[str, ...] = ()
    calls: tuple[RecordedCall, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """What is stored."""
        stored = super(ContextOutput, self).to_json()
        # Absent, as in flows from before it was recorded, so that a replay finds the same.
        return stored if self.unjudged else leave_out(stored, "unjudged")


@dataclass(frozen=True, slots=True)
class PlanOutput(StoredValue):
    """The architect's plan for one block. Names are checked; ``entrypoints`` satisfy the schema of the plan
    stage.
    """

    block_family: str
    block_name: str
    summary: str = ""
    steps: tuple[str, ...] = ()
    entrypoints: tuple[Mapping[str, Any], ...] = ()
    risks: tuple[str, ...] = ()
    tests: tuple[str, ...] = ()
    # Calls with exact results that the block has to keep, and what it may do beyond computing, with reasons.
    examples: tuple[Mapping[str, Any], ...] = ()
    capabilities: tuple[Mapping[str, Any], ...] = ()
    # Names of modules that only the block itself imports.
    private_modules: tuple[str, ...] = ()
    calls: tuple[RecordedCall, ...] = ()

    @classmethod
    def parse(cls, data: Mapping[str, Any]) -> Self:
        """The output in ``data``. Without a name there is no plan: that is an error, too."""
        plan = super(PlanOutput, cls).parse(data)
        if not (plan.block_family and plan.block_name):
            raise ValueError("the plan does not name the block")
        return plan

    def to_json(self) -> dict[str, Any]:
        """What is stored."""
        stored = super(PlanOutput, self).to_json()
        # Absent, as in plans from before there were any, so that recorded requests keep their digests.
        for key in ("examples", "capabilities", "private_modules"):
            if not stored[key]:
                stored = leave_out(stored, key)
        return stored

    def document(self) -> dict[str, Any]:
        """The plan itself, without its calls, in the order in which PostgreSQL's jsonb returns the keys."""
        stored = leave_out(self.to_json(), "calls")
        # The reviewer's prompt shows it so: by length, then by letters. In another order, recorded requests
        # would have other digests.
        return {key: stored[key] for key in sorted(stored, key=lambda key: (len(key), key))}


@dataclass(frozen=True, slots=True)
class ImplementOutput(StoredValue):
    """The paths that the implementer wrote, who answered last, and the calls of all rounds so far.

    ``edited_by`` names the person whose files this or an earlier round took.
    """

    files: tuple[str, ...] = ()
    model: str = ""
    provider: str = ""
    calls: tuple[RecordedCall, ...] = ()
    edited_by: str = ""

    def to_json(self) -> dict[str, Any]:
        """What is stored."""
        stored = super(ImplementOutput, self).to_json()
        # Absent where no person was, as in rows from before there were edits.
        return stored if self.edited_by else leave_out(stored, "edited_by")


@dataclass(frozen=True, slots=True)
class VerifyOutput(StoredValue):
    """What the automatic gates said of the candidate whose digest is ``candidate_sha256``. Only the
    mode when off.
    """

    mode: str = ""
    passed: bool = False
    gates_seconds: float = 0.0
    candidate_sha256: str = ""
    dependencies_sha256: str = ""
    quality_score: str = ""
    gates: tuple[JudgedGate, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """What is stored."""
        stored = super(VerifyOutput, self).to_json()
        measured = ("gates_seconds", "candidate_sha256", "dependencies_sha256", "quality_score")
        return leave_out(stored, *measured) if self.mode == "off" else stored


@dataclass(frozen=True, slots=True)
class ReviewOutput(StoredValue):
    """What the reviewer found, what the gate made of it, and the calls of all rounds. Only the mode
    when off.
    """

    verdict: str = ""
    summary: str = ""
    findings: tuple[Mapping[str, Any], ...] = ()
    mode: str = ""
    passed: bool = False
    candidate_sha256: str = ""
    gates: tuple[JudgedGate, ...] = ()
    # Of all rounds: number among the plan's examples, counted from 1, a quotation of the request, and why.
    wrong_examples: tuple[Mapping[str, Any], ...] = ()
    calls: tuple[RecordedCall, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """What is stored."""
        stored = super(ReviewOutput, self).to_json()
        if not self.wrong_examples:
            stored = leave_out(stored, "wrong_examples")
        judged = ("verdict", "summary", "findings", "candidate_sha256")
        return leave_out(stored, *judged) if self.mode == "off" else stored


@dataclass(frozen=True, slots=True)
class DocsOutput(StoredValue):
    """The paths that the writer of the documentation wrote, and the digest of the behaviour that they
    describe (``block_files.digest_behaviour``).
    """

    files: tuple[str, ...] = ()
    subject_sha256: str = ""
    calls: tuple[RecordedCall, ...] = ()


@dataclass(frozen=True, slots=True)
class Calls(StoredValue):
    """What every output has whose stage asks models."""

    calls: tuple[RecordedCall, ...] = ()


def parse_calls(data: Mapping[str, Any]) -> tuple[RecordedCall, ...]:
    """The calls in the output of any kind of stage; none where the kind asks no model."""
    return Calls.parse(data).calls


def leave_out(stored: Mapping[str, Any], *keys: str) -> dict[str, Any]:
    """``stored`` without these keys."""
    return {key: value for key, value in stored.items() if key not in keys}
