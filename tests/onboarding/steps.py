"""Requests in tests: made through the engine, and taken on as a worker would, by steps that call nobody."""

from typing import Any

import pytest

from onboarding import engine, rollout, runner
from onboarding.models import OnboardingRequest
from onboarding.step_protocol import Passed, StepAnswer, StepContext, Waiting
from onboarding.step_registry import CHECKS, PROVISIONING
from orchestrator.core.registry import Registry
from orchestrator.repos.registration import OnboardingPaused, register_repo


class LeadSaysYes:
    """Waits until somebody has approved; asks nobody."""

    name = "lead_approved"
    title = "The team lead approves"

    def run(self, context: StepContext) -> StepAnswer:
        """Passed once somebody has approved."""
        if context.request.approved_at is None:
            return Waiting("nobody has answered", None)
        return Passed({"approved_by": context.request.approved_by})


class RepoIsRegistered:
    """Registers the repo, and calls no code host."""

    name = "registration"
    title = "The repo is registered"

    def run(self, context: StepContext) -> StepAnswer:
        """Register it."""
        wanted = context.request
        try:
            repo, _ = register_repo(
                wanted.repo_name, domain=wanted.block_family, team_lead=wanted.team_lead, phase=wanted.phase
            )
        except OnboardingPaused as error:
            return Waiting(error.message, None)
        return Passed({"repo": repo.name})

    def undo(self, context: StepContext) -> StepAnswer:
        """Nothing: the row stays."""
        return Passed({})


TWO_STEPS: tuple[tuple[Registry[Any], Any], ...] = (
    (CHECKS, LeadSaysYes()),
    (PROVISIONING, RepoIsRegistered()),
)


def ask_for(name: str = "financial-reporting", **given: Any) -> OnboardingRequest:
    """A request for the repo ``name``."""
    values: dict[str, Any] = {"block_family": "reporting", "team_lead": "lead@example.org"} | given
    return engine.create_request(engine.NewRequest(repo_name=name, **values))


def leave_out_code_hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the approval is asked for, and only the registration is done: nothing outside is needed."""
    for table, name in ((CHECKS, "lead_approved"), (PROVISIONING, "registration")):
        monkeypatch.setattr(table, "_members", {name: table.paths()[name]})


def run_due_steps() -> int:
    """Run what is due until nothing is, in this process; how many attempts there were."""
    attempts = 0
    while True:
        rollout.begin_due_requests()
        due = engine.find_due_steps()
        if not due:
            return attempts
        for step in due:
            runner.run_step(step)
            attempts += 1


def pass_due_steps(answer: StepAnswer | None = None) -> None:
    """Answer for every step that is due without running it: passed, or once ``answer``.

    The lead is the one who has to say yes: nothing is passed without that.
    """
    while True:
        rollout.begin_due_requests()
        due = engine.find_due_steps()
        if not due:
            return
        for step in due:
            claim = engine.claim_step(step, "a test")
            assert claim is not None
            if claim.name == "registration" and claim.kind == "provision":
                register_repo(claim.request.repo_name)
            if claim.name == "lead_approved" and claim.request.approved_at is None and answer is None:
                engine.finish_step(claim, Waiting("nobody has answered", None))
                continue
            said, answer = answer or Passed({}), None
            engine.finish_step(claim, said)


def onboard(name: str, **given: Any) -> OnboardingRequest:
    """A repo that is ready, without a step that was run."""
    request = ask_for(name, **given)
    # The lead is asked first, and answers then.
    pass_due_steps()
    engine.approve(request.pk, actor=request.team_lead)
    pass_due_steps()
    request.refresh_from_db()
    return request


def keep_only(patch: pytest.MonkeyPatch, *names: str) -> None:
    """Leave only these steps of the product, for tests that are about what is around them."""
    for registry in (CHECKS, PROVISIONING):
        left = {name: path for name, path in registry.paths().items() if name in names}
        patch.setattr(registry, "_members", left)
