import json
from pathlib import Path

import pytest
from django.conf import LazySettings

from gates import runner
from orchestrator.flows.stages import context, implement, plan
from tests.flows.stages import fakes
from tests.flows.stages.fakes import FakeGates, FakeStageContext


@pytest.fixture(autouse=True)
def _database(db: None) -> None:
    """Stages read the previous contract of a block."""


@pytest.fixture(autouse=True)
def _state(settings: LazySettings, tmp_path: Path) -> None:
    """Each test has a key and an evidence store of its own."""
    settings.STATE_DIR = tmp_path / "state"


@pytest.fixture
def gates(monkeypatch: pytest.MonkeyPatch) -> fakes.Gates:
    """Replaces the sandboxed run of the gates by reports that the test gives."""

    def replace(*reports: object) -> FakeGates:
        fake = FakeGates(*reports)  # type: ignore[arg-type]
        monkeypatch.setattr(runner, "run_gates", fake)
        return fake

    replace()
    return replace


@pytest.fixture
def work() -> FakeStageContext:
    return FakeStageContext()


@pytest.fixture
def planned(work: FakeStageContext) -> FakeStageContext:
    """A flow that has a plan."""
    work.run(context.stage, json.dumps(fakes.CONTEXT))
    work.run(plan.stage, json.dumps(fakes.PLAN))
    return work


@pytest.fixture
def implemented(planned: FakeStageContext) -> FakeStageContext:
    """A flow that has an implementation."""
    planned.run(implement.stage, fakes.implementation())
    return planned
