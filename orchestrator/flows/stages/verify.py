"""Verify: the automatic gates judge the newest implementation; what they find starts a repair round."""

import time
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import ClassVar

from blocks.format import snapshot
from gates import environments, runner, score
from gates.base import GateReport
from gates.sandbox import SandboxUnavailable, choose_backend
from gates.sandbox.layout import sweep_abandoned_folders
from orchestrator.core import database
from orchestrator.flows.generation.block_files import digest_files, read_candidate
from orchestrator.flows.stage_outputs import VerifyOutput
from orchestrator.flows.stage_protocol import (
    Done,
    Failed,
    NewArtifact,
    Park,
    PreparationContext,
    Repair,
    StageContext,
    StageResult,
)
from orchestrator.flows.verification import environment, gate_reports, repair_loop

NO_SANDBOX_PAUSE_SECONDS = 60
"""How soon a worker looks again whether the operator has fixed the sandbox."""


class VerifyStage:
    """Runs the gates in the sandbox. Artifacts: ``verdict`` and the gates' evidence; output: mode and facts
    of the gates.
    """

    kind: ClassVar[str] = "verify"

    def prepare(self) -> None:
        """Remove what gates have left whose worker was killed, and find the sandbox, before the first gate.

        A pool's children start with what is found here.
        """
        sweep_abandoned_folders()
        with suppress(SandboxUnavailable):  # the gates will say so, with the cure
            choose_backend()

    def prepare_flow(self, context: PreparationContext) -> tuple[NewArtifact, ...]:
        """Install the packages that the repo names, before there is code to judge."""
        environment.build_surroundings(snapshot.unpack(context.snapshot))
        return ()

    def run(self, context: StageContext) -> StageResult:
        gates = context.settings.gates
        if gates.mode == "off":
            return Done(output=VerifyOutput(mode="off").to_json())
        try:
            around = environment.build_surroundings(snapshot.unpack(context.snapshot))
        # What the repo may not have stays refused; an index that is away may answer the next attempt.
        except environments.EnvironmentRefused as refused:
            return Failed(refused.code, str(refused), refused.cure)
        except environments.EnvironmentUnavailable as missing:
            return Failed(missing.code, str(missing), missing.cure, retryable=True)
        subject = replace(read_candidate(context), repo_files=around.files, environment=around.environment)
        started = time.monotonic()
        with database.without_connection():
            found = runner.run_gates(subject, gates, runner.DEFAULT_GATES)
        # A monotonic clock: the wall clock may be set while the gates run.
        seconds = round(time.monotonic() - started, 3)
        reports = gate_reports.redact_reports(found, subject)
        if (failure := gate_reports.missing_report_failure(reports, runner.DEFAULT_GATES)) is not None:
            return failure
        # Only strict gates wait: in advisory mode a missing sandbox is a finding like any other.
        if gates.mode == "strict" and (waiting := _no_sandbox(reports)) is not None:
            return waiting
        passed = gate_reports.all_passed(reports)
        output = VerifyOutput(
            mode=gates.mode,
            passed=passed,
            gates_seconds=seconds,
            candidate_sha256=digest_files(subject.files),
            dependencies_sha256=around.dependencies_sha256,
            quality_score=str(score.compute_quality(reports)),
            gates=gate_reports.summarise_reports(reports, context.round),
        ).to_json()
        # In advisory mode findings do not stop the flow. ``passed`` stays false: the block is not verified.
        if runner.judge_reports(reports, gates):
            record = repair_loop.record_round(context, "verdict", reports, subject.files, passed=passed)
            return Done(
                output=output, artifacts=(record, *gate_reports.evidence_artifacts(reports)), gates=reports
            )
        result = repair_loop.decide_repair(context, "verdict", reports, subject.files)
        return replace(result, output=output) if isinstance(result, Repair) else result


def _no_sandbox(reports: tuple[GateReport, ...]) -> Park | None:
    """Nothing was judged, and no repair would help: wait for the operator, who is told what is missing, and
    continue without help.
    """
    for report in reports:
        if report.details.get("code") == SandboxUnavailable.code:
            until = datetime.now(UTC) + timedelta(seconds=NO_SANDBOX_PAUSE_SECONDS)
            return Park(f"{report.summary} {report.cure}", until)
    return None


stage = VerifyStage()
