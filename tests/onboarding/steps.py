"""Requests in tests: made through the engine, and taken on as a worker would."""

from typing import Any

import pytest

from onboarding import engine, rollout, runner
from onboarding.models import OnboardingRequest
from onboarding.step_registry import CHECKS, PROVISIONING


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


def keep_only(patch: pytest.MonkeyPatch, *names: str) -> None:
    """Leave only these steps of the product, for tests that are about what is around them."""
    for registry in (CHECKS, PROVISIONING):
        left = {name: path for name, path in registry.paths().items() if name in names}
        patch.setattr(registry, "_members", left)
