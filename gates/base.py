"""What every gate speaks: a candidate, a policy, a report.

A gate is one module in ``gates/builtin`` and one line in ``gates/registry.py``. It knows neither models nor providers:
it gets files and thresholds and answers with a verdict, findings and evidence.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol


class Verdict(StrEnum):
    """A gate's verdict. ``errored`` (no result, a crash, a missing tool) never counts as passed."""

    PASSED = "passed"
    FAILED = "failed"
    ERRORED = "errored"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A generated block before its gates: text files under their names inside the block's folder.

    ``module`` is imported as ``<name>``; ``tests`` is a pytest file; ``contract`` is JSON as ``docs/reference/contract-format.md``
    describes. ``review`` is the reviewer's verdict as parsed JSON, present once the review stage has run. ``previous_contract``
    is the contract of the newest verified version of the same block, if there is one. ``repo_files`` is the snapshot of the
    repo that the flow carries: path to bytes, read-only in the sandbox. ``environment`` is a folder of packages that the repo
    depends on, built beforehand (``gates.environments``).
    """

    family: str
    name: str
    module: str
    tests: str
    contract: str
    implementer: str = ""
    review: Mapping[str, Any] | None = None
    reviewer: str = ""
    previous_contract: str | None = None
    repo_files: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    environment: Path | None = None

    @property
    def files(self) -> dict[str, str]:
        """Path to text, as delivered."""
        return {
            f"{self.name}.py": self.module,
            f"test_{self.name}.py": self.tests,
            "contract.json": self.contract,
        }


@dataclass(frozen=True, slots=True)
class Policy:
    """The thresholds in force for one flow, in percent. A repo may raise them above the organisation's, never lower them."""

    mode: str = "strict"
    min_unit_coverage: Decimal = Decimal(90)
    min_mutation_kill_rate: Decimal = Decimal(60)
    wall_seconds: float = 120.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a gate found, at a place. ``severity`` is ``error``, ``warning`` or ``note``. Lines count from 1."""

    rule: str
    message: str
    severity: str = "error"
    path: str = ""
    line: int = 0
    end_line: int = 0
    snippet: str = ""


@dataclass(frozen=True, slots=True)
class GateReport:
    """A gate's answer. ``score`` and ``threshold`` are percentages where the gate measures one.

    ``evidence`` maps a file name (``coverage.json``, ``mutation.json``, ``security.sarif``) to its bytes. ``feedback`` is what
    the implementer is told in a repair round; it never holds null mutants or fuzz seeds.
    """

    gate: str
    verdict: Verdict
    summary: str
    score: Decimal | None = None
    threshold: Decimal | None = None
    findings: tuple[Finding, ...] = ()
    evidence: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    details: Mapping[str, Any] = field(default_factory=dict)
    feedback: str = ""
    cure: str = ""
    seconds: float = 0.0


class Gate(Protocol):
    """One check that a block must pass."""

    name: str

    def check(self, candidate: Candidate, policy: Policy) -> GateReport:
        """Judge ``candidate``. Raises nothing for hostile input: whatever it does ends in a verdict."""
        ...
