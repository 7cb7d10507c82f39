"""The types that every gate uses: a candidate, a policy, a finding, a report.

A gate is one module in ``gates/builtin`` and one line in ``gates/registry.py``. It knows neither models nor
providers: it gets files and thresholds, and answers with a verdict, findings and evidence.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

from gates.harness.block_lines import find_place

CONTRACT_PATH = "contract.json"


class Verdict(StrEnum):
    """A gate's verdict. ``errored`` (no result, a crash, a missing tool) never counts as passed."""

    PASSED = "passed"
    FAILED = "failed"
    ERRORED = "errored"


class SharedRun(Protocol):
    """One run of the harness for several gates."""

    def find_answer(self, kind: str) -> Mapping[str, Any] | None:
        """What the harness answered to the request of this kind; ``None`` where nobody asked for it."""
        ...


@dataclass(frozen=True, slots=True)
class Candidate:
    """A generated block before its gates: its text files, and what surrounds them.

    - ``private_modules`` are modules that only the block itself imports: name to text. Each name begins with
      that of the block.
    - ``module`` is imported as ``<name>``; ``tests`` is a pytest file; ``contract`` is JSON as
      ``docs/reference/contract-format.md`` describes it.
    - ``review`` is the reviewer's verdict as parsed JSON, present once the review stage has run.
    - ``previous_contract`` is the contract of the newest verified version of the same block, if there is one.
    - ``repo_files`` is the snapshot of the repo that the flow carries: path to bytes, read-only in the
      sandbox.
    - ``planned_examples`` are the architect's, who is from another vendor than the implementer; the block has
      to keep them, and its author can neither change nor drop one.
    - ``withdrawn_examples`` are examples of the plan that the reviewer found to contradict the request, each
      with its quotation and the reason; they are not run, and kept as evidence.
    - ``planned_capabilities`` are those that the plan asks for; ``None`` where no plan is known.
    - ``environment`` is a folder with the packages that the repo depends on, built beforehand by
      ``gates.environments``.
    """

    family: str
    name: str
    module: str
    tests: str
    contract: str
    implementer: str = ""
    # Checked against the review gate's schema, because a model wrote it.
    review: Mapping[str, Any] | None = None
    reviewer: str = ""
    previous_contract: str | None = None
    # Out of the repr: a snapshot of a whole repo would fill every log line.
    repo_files: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    environment: Path | None = None
    # Checked against the plan's schema: call, input, and an exact output or the exception that is raised.
    planned_examples: tuple[Mapping[str, Any], ...] = ()
    # Set by ``gates.runner`` while it runs several gates.
    shared_run: "SharedRun | None" = field(default=None, repr=False, compare=False)
    withdrawn_examples: tuple[Mapping[str, Any], ...] = ()
    planned_capabilities: frozenset[str] | None = None
    private_modules: Mapping[str, str] = field(default_factory=dict)

    @property
    def modules(self) -> dict[str, str]:
        """Path to text of every module: the block's own first, then the private ones by name."""
        private = {f"{name}.py": self.private_modules[name] for name in sorted(self.private_modules)}
        return {self.module_path: self.module, **private}

    def locate(self, line: int) -> tuple[str, int]:
        """Path and line of what the harness measured at ``line``, which counts over all modules."""
        number, inner = find_place(line)
        paths = list(self.modules)
        # Beside hostile code the harness may say anything; a place that is not there is shown in the module.
        return paths[number if number < len(paths) else 0], inner

    @property
    def module_path(self) -> str:
        """The module's file inside the block's folder."""
        return f"{self.name}.py"

    @property
    def tests_path(self) -> str:
        """The tests' file inside the block's folder."""
        return f"test_{self.name}.py"

    @property
    def files(self) -> dict[str, str]:
        """Path inside the block's folder to text, exactly as delivered."""
        return {
            **self.modules,
            self.tests_path: self.tests,
            CONTRACT_PATH: self.contract,
        }


@dataclass(frozen=True, slots=True)
class Policy:
    """The thresholds in force for one flow, in percent, and the time for one gate, in seconds.

    A repo may raise the organisation's thresholds, never lower them.
    """

    mode: str = "strict"
    min_unit_coverage: Decimal = Decimal(90)
    min_mutation_kill_rate: Decimal = Decimal(60)
    # For one gate. Time for which a busy machine had no processor for it is not counted.
    wall_seconds: float = 120.0
    # What a contract may declare: organisation and repo both allow it.
    capabilities: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a gate found, at a place.

    ``severity`` is ``error``, ``warning`` or ``note``. Lines count from 1; 0 means that no line is known.
    """

    rule: str
    message: str
    severity: str = "error"
    path: str = ""
    line: int = 0
    end_line: int = 0
    snippet: str = ""


@dataclass(frozen=True, slots=True)
class GateReport:
    """A gate's answer.

    - ``score`` and ``threshold`` are percentages, where the gate measures one.
    - ``evidence`` maps a file name (``coverage.json``, ``mutation.json``, ``security.sarif``) to its bytes.
    - ``feedback`` is what the implementer reads in a repair round. It never mentions null mutants or seeds of
      draws: code that knew them could pass without testing anything.
    - ``seconds`` is the wall time of the gate.
    """

    gate: str
    verdict: Verdict
    summary: str
    score: Decimal | None = None
    threshold: Decimal | None = None
    findings: tuple[Finding, ...] = ()
    # Also out of the repr, for its size.
    evidence: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    details: Mapping[str, Any] = field(default_factory=dict)
    feedback: str = ""
    cure: str = ""
    seconds: float = 0.0


class Gate(Protocol):
    """One check that a block must pass.

    A gate that needs the harness may have a method ``plan_request`` too: it returns what ``run_harness`` will
    be asked for, so that several gates share one sandbox.
    """

    name: str

    def check(self, candidate: Candidate, policy: Policy) -> GateReport:
        """Judge ``candidate``.

        May raise the errors of ``gates.errors`` and ``SandboxUnavailable``; ``gates.runner`` makes reports of
        them.
        """
        ...
