"""Verify: the automatic gates judge the newest implementation; what they find starts a repair round."""

import time
from dataclasses import replace
from typing import ClassVar

from gates import environments, runner, score
from orchestrator.flows import policy, verdicts
from orchestrator.flows.blocks import candidate, digest
from orchestrator.flows.context import snapshot
from orchestrator.flows.stages.base import Done, Failed, Result, Work

ROUND = ("implement", "verify")
"""What a repair round consists of."""


class Verify:
    """Runs the gates in the sandbox. Artifacts: ``verdict`` and the gates' evidence; output: mode and facts of the gates."""

    kind: ClassVar[str] = "verify"

    def run(self, work: Work) -> Result:
        gates = policy.gate_policy(work.settings)
        if gates.mode == "off":
            return Done(output={"mode": "off", "passed": False, "gates": []})
        try:
            around = snapshot.world(work.context)
        except environments.EnvironmentRefused as refused:
            return Failed(refused.code, str(refused), refused.cure)
        except environments.EnvironmentUnavailable as missing:
            return Failed(missing.code, str(missing), missing.cure, retryable=True)
        subject = replace(candidate(work), repo_files=around.files, environment=around.environment)
        started = time.monotonic()
        reports = runner.run(subject, gates, runner.DEFAULT)
        seconds = round(time.monotonic() - started, 3)
        if (failure := verdicts.missing(reports, runner.DEFAULT)) is not None:
            return failure
        passed, subject_digest, found = verdicts.passed(reports), digest(subject.files), verdicts.fingerprint(reports)
        output = {
            "mode": gates.mode,
            "passed": passed,
            "gates_seconds": seconds,
            "candidate_sha256": subject_digest,
            "quality_score": str(score.quality(reports)),
            "gates": verdicts.facts(reports, work.round),
        }
        artifacts = (
            verdicts.record(work, "verdict", subject_digest, found, passed=passed),
            *verdicts.evidence(reports),
        )
        if runner.judge(reports, gates):
            return Done(output=output, artifacts=artifacts, gates=reports)
        unchanged = verdicts.unchanged(work, "verdict", subject_digest, found)
        result = verdicts.stopped(reports, runner.feedback(reports), unchanged=unchanged, insert=ROUND)
        return verdicts.with_proof(result, output, artifacts, reports)


stage = Verify()
