"""The output of each kind of stage: a value that the stage writes as JSON and that later stages parse.

``to_json`` gives exactly what is stored: a replay compares it with the recorded output, key by key. ``parse``
ignores keys that it does not know and takes an empty value for one that is missing, as in rows of earlier
versions and of stages that have not passed yet; it raises ``ValueError`` for a value of the wrong kind or
size.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

# Far above what a stage writes, and far below what a worker's memory holds.
MAX_TEXT_CHARACTERS = 1_000_000
MAX_ITEMS = 100_000


@dataclass(frozen=True, slots=True)
class RecordedCall:
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

    @classmethod
    def parse(cls, data: Mapping[str, Any]) -> "RecordedCall":
        """The call in ``data``."""
        return cls(
            model=_read_text(data, "model"),
            provider=_read_text(data, "provider"),
            request_id=_read_text(data, "request_id"),
            tokens=_read_mapping(data, "tokens"),
            prompt=_read_text(data, "prompt"),
            prompt_digest=_read_text(data, "prompt_digest"),
            round=_read_integer(data, "round"),
            repair_digest=_read_text(data, "repair_digest"),
        )

    def to_json(self) -> dict[str, Any]:
        """What is stored."""
        stored = {
            "model": self.model,
            "provider": self.provider,
            "request_id": self.request_id,
            "tokens": dict(self.tokens),
            "prompt": self.prompt,
            "prompt_digest": self.prompt_digest,
            "round": self.round,
        }
        return stored | ({"repair_digest": self.repair_digest} if self.repair_digest else {})


@dataclass(frozen=True, slots=True)
class KeptEvidence:
    """A file of a gate's evidence: its digest, and the kind of the artifact that holds it."""

    sha256: str
    artifact: str


@dataclass(frozen=True, slots=True)
class JudgedGate:
    """What one gate said. Scores and thresholds are percentages as text, evidence is by file name."""

    gate: str
    verdict: str
    summary: str
    score: str | None
    threshold: str | None
    seconds: float
    round: int
    evidence: Mapping[str, KeptEvidence] = field(default_factory=dict)

    @classmethod
    def parse(cls, data: Mapping[str, Any]) -> "JudgedGate":
        """The verdict in ``data``."""
        files = _read_mapping(data, "evidence").items()
        return cls(
            gate=_read_text(data, "gate"),
            verdict=_read_text(data, "verdict"),
            summary=_read_text(data, "summary"),
            score=_read_optional_text(data, "score"),
            threshold=_read_optional_text(data, "threshold"),
            seconds=_read_number(data, "seconds"),
            round=_read_integer(data, "round"),
            evidence={
                name: KeptEvidence(_read_text(file, "sha256"), _read_text(file, "artifact"))
                for name, file in files
            },
        )

    def to_json(self) -> dict[str, Any]:
        """What is stored."""
        return {
            "gate": self.gate,
            "verdict": self.verdict,
            "summary": self.summary,
            "score": self.score,
            "threshold": self.threshold,
            "seconds": self.seconds,
            "round": self.round,
            "evidence": {
                name: {"sha256": file.sha256, "artifact": file.artifact}
                for name, file in self.evidence.items()
            },
        }


@dataclass(frozen=True, slots=True)
class ContextOutput:
    """What the librarian says of the repo, and what of it is in the bundle. ``relevant_paths`` are all in the
    bundle.
    """

    summary: str = ""
    conventions: tuple[str, ...] = ()
    relevant_paths: tuple[str, ...] = ()
    bundle_sha256: str = ""
    bundle_bytes: int = 0
    included: tuple[str, ...] = ()
    outlined: tuple[str, ...] = ()
    omitted: int = 0
    redactions: int = 0
    calls: tuple[RecordedCall, ...] = ()

    @classmethod
    def parse(cls, data: Mapping[str, Any]) -> "ContextOutput":
        """The output in ``data``."""
        return cls(
            summary=_read_text(data, "summary"),
            conventions=_read_texts(data, "conventions"),
            relevant_paths=_read_texts(data, "relevant_paths"),
            bundle_sha256=_read_text(data, "bundle_sha256"),
            bundle_bytes=_read_integer(data, "bundle_bytes"),
            included=_read_texts(data, "included"),
            outlined=_read_texts(data, "outlined"),
            omitted=_read_integer(data, "omitted"),
            redactions=_read_integer(data, "redactions"),
            calls=parse_calls(data),
        )

    def to_json(self) -> dict[str, Any]:
        """What is stored."""
        return {
            "summary": self.summary,
            "conventions": list(self.conventions),
            "relevant_paths": list(self.relevant_paths),
            "bundle_sha256": self.bundle_sha256,
            "bundle_bytes": self.bundle_bytes,
            "included": list(self.included),
            "outlined": list(self.outlined),
            "omitted": self.omitted,
            "redactions": self.redactions,
            "calls": _dump_calls(self.calls),
        }


@dataclass(frozen=True, slots=True)
class PlanOutput:
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
    calls: tuple[RecordedCall, ...] = ()

    @classmethod
    def parse(cls, data: Mapping[str, Any]) -> "PlanOutput":
        """The output in ``data``. Without a name there is no plan: that is an error, too."""
        family, name = _read_text(data, "block_family"), _read_text(data, "block_name")
        if not (family and name):
            raise ValueError("the plan does not name the block")
        return cls(
            block_family=family,
            block_name=name,
            summary=_read_text(data, "summary"),
            steps=_read_texts(data, "steps"),
            entrypoints=_read_mappings(data, "entrypoints"),
            risks=_read_texts(data, "risks"),
            tests=_read_texts(data, "tests"),
            calls=parse_calls(data),
        )

    def document(self) -> dict[str, Any]:
        """The plan itself, without its calls, in the order in which PostgreSQL's jsonb returns the keys."""
        # The reviewer's prompt shows it so. In another order, recorded requests would have other digests.
        return {
            "risks": list(self.risks),
            "steps": list(self.steps),
            "tests": list(self.tests),
            "summary": self.summary,
            "block_name": self.block_name,
            "entrypoints": list(self.entrypoints),
            "block_family": self.block_family,
        }

    def to_json(self) -> dict[str, Any]:
        """What is stored."""
        return {**self.document(), "calls": _dump_calls(self.calls)}


@dataclass(frozen=True, slots=True)
class ImplementOutput:
    """The paths that the implementer wrote, who answered last, and the calls of all rounds so far."""

    files: tuple[str, ...] = ()
    model: str = ""
    provider: str = ""
    calls: tuple[RecordedCall, ...] = ()

    @classmethod
    def parse(cls, data: Mapping[str, Any]) -> "ImplementOutput":
        """The output in ``data``."""
        return cls(
            files=_read_texts(data, "files"),
            model=_read_text(data, "model"),
            provider=_read_text(data, "provider"),
            calls=parse_calls(data),
        )

    def to_json(self) -> dict[str, Any]:
        """What is stored."""
        return {
            "files": list(self.files),
            "model": self.model,
            "provider": self.provider,
            "calls": _dump_calls(self.calls),
        }


@dataclass(frozen=True, slots=True)
class VerifyOutput:
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

    @classmethod
    def parse(cls, data: Mapping[str, Any]) -> "VerifyOutput":
        """The output in ``data``."""
        return cls(
            mode=_read_text(data, "mode"),
            passed=_read_boolean(data, "passed"),
            gates_seconds=_read_number(data, "gates_seconds"),
            candidate_sha256=_read_text(data, "candidate_sha256"),
            dependencies_sha256=_read_text(data, "dependencies_sha256"),
            quality_score=_read_text(data, "quality_score"),
            gates=_parse_gates(data),
        )

    def to_json(self) -> dict[str, Any]:
        """What is stored."""
        gates = [gate.to_json() for gate in self.gates]
        if self.mode == "off":
            return {"mode": self.mode, "passed": self.passed, "gates": gates}
        return {
            "mode": self.mode,
            "passed": self.passed,
            "gates_seconds": self.gates_seconds,
            "candidate_sha256": self.candidate_sha256,
            "dependencies_sha256": self.dependencies_sha256,
            "quality_score": self.quality_score,
            "gates": gates,
        }


@dataclass(frozen=True, slots=True)
class ReviewOutput:
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
    calls: tuple[RecordedCall, ...] = ()

    @classmethod
    def parse(cls, data: Mapping[str, Any]) -> "ReviewOutput":
        """The output in ``data``."""
        return cls(
            verdict=_read_text(data, "verdict"),
            summary=_read_text(data, "summary"),
            findings=_read_mappings(data, "findings"),
            mode=_read_text(data, "mode"),
            passed=_read_boolean(data, "passed"),
            candidate_sha256=_read_text(data, "candidate_sha256"),
            gates=_parse_gates(data),
            calls=parse_calls(data),
        )

    def to_json(self) -> dict[str, Any]:
        """What is stored."""
        judged = {
            "mode": self.mode,
            "passed": self.passed,
            "gates": [gate.to_json() for gate in self.gates],
            "calls": _dump_calls(self.calls),
        }
        if self.mode == "off":
            return judged
        return {
            "verdict": self.verdict,
            "summary": self.summary,
            "findings": list(self.findings),
            "candidate_sha256": self.candidate_sha256,
            **judged,
        }


@dataclass(frozen=True, slots=True)
class DocsOutput:
    """The paths that the writer of the documentation wrote, and the digest of the behaviour that they
    describe (``block_files.digest_behaviour``).
    """

    files: tuple[str, ...] = ()
    subject_sha256: str = ""
    calls: tuple[RecordedCall, ...] = ()

    @classmethod
    def parse(cls, data: Mapping[str, Any]) -> "DocsOutput":
        """The output in ``data``."""
        return cls(
            files=_read_texts(data, "files"),
            subject_sha256=_read_text(data, "subject_sha256"),
            calls=parse_calls(data),
        )

    def to_json(self) -> dict[str, Any]:
        """What is stored."""
        return {
            "files": list(self.files),
            "subject_sha256": self.subject_sha256,
            "calls": _dump_calls(self.calls),
        }


def parse_calls(data: Mapping[str, Any]) -> tuple[RecordedCall, ...]:
    """The calls in the output of any kind of stage; none where the kind asks no model."""
    return tuple(RecordedCall.parse(call) for call in _read_mappings(data, "calls"))


def _dump_calls(calls: tuple[RecordedCall, ...]) -> list[dict[str, Any]]:
    return [call.to_json() for call in calls]


def _parse_gates(data: Mapping[str, Any]) -> tuple[JudgedGate, ...]:
    return tuple(JudgedGate.parse(gate) for gate in _read_mappings(data, "gates"))


def _refuse(key: str, expected: str) -> ValueError:
    # The value may quote a model's answer, so that the message names the key alone.
    return ValueError(f"{key} in the output of a stage is not {expected}")


def _read_text(data: Mapping[str, Any], key: str) -> str:
    value = data.get(key, "")
    if not isinstance(value, str) or len(value) > MAX_TEXT_CHARACTERS:
        raise _refuse(key, f"a text of at most {MAX_TEXT_CHARACTERS} characters")
    return value


def _read_optional_text(data: Mapping[str, Any], key: str) -> str | None:
    return None if data.get(key) is None else _read_text(data, key)


def _read_integer(data: Mapping[str, Any], key: str) -> int:
    value = data.get(key, 0)
    # In Python a boolean is a whole number, too.
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise _refuse(key, "a whole number from 0")
    return value


def _read_number(data: Mapping[str, Any], key: str) -> float:
    value = data.get(key, 0.0)
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        raise _refuse(key, "a number from 0")
    return value


def _read_boolean(data: Mapping[str, Any], key: str) -> bool:
    value = data.get(key, False)
    # Only true is a pass: a word or a number in its place must not become one.
    if not isinstance(value, bool):
        raise _refuse(key, "true or false")
    return value


def _read_items(data: Mapping[str, Any], key: str) -> list[Any]:
    value = data.get(key, [])
    if not isinstance(value, list) or len(value) > MAX_ITEMS:
        raise _refuse(key, f"a list of at most {MAX_ITEMS} items")
    return value


def _read_texts(data: Mapping[str, Any], key: str) -> tuple[str, ...]:
    items = _read_items(data, key)
    if not all(isinstance(item, str) and len(item) <= MAX_TEXT_CHARACTERS for item in items):
        raise _refuse(key, "a list of texts")
    return tuple(items)


def _read_mapping(data: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = data.get(key, {})
    if not isinstance(value, Mapping) or len(value) > MAX_ITEMS:
        raise _refuse(key, f"an object of at most {MAX_ITEMS} keys")
    return value


def _read_mappings(data: Mapping[str, Any], key: str) -> tuple[Mapping[str, Any], ...]:
    items = _read_items(data, key)
    if not all(isinstance(item, Mapping) for item in items):
        raise _refuse(key, "a list of objects")
    return tuple(items)
