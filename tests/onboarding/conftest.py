"""The code hosts on loopback, and steps that call nobody."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.onboarding.far_sides import HostScene, serve_host
from tests.onboarding.steps import TWO_STEPS, leave_out_code_hosts


@pytest.fixture(params=["github", "gitlab"])
def hosted(request, settings, tmp_path: Path) -> Iterator[HostScene]:
    """Each code host in turn."""
    with serve_host(request.param, settings, tmp_path / "hosted") as scene:
        yield scene


@pytest.fixture(autouse=True)
def _leave_out_code_hosts(request, monkeypatch) -> None:
    """The engine and the rules of the rollout are tested with the steps that need nothing outside."""
    if request.path.parent.name not in {"checks", "provisioning"}:
        leave_out_code_hosts(monkeypatch)


@pytest.fixture
def two_steps(monkeypatch) -> None:
    """One check and one provisioning step that call nobody, in the place of the product's."""
    for table, step in TWO_STEPS:
        monkeypatch.setattr(table, "_members", {step.name: f"test:{step.name}"})
        monkeypatch.setattr(table, "_loaded", {f"test:{step.name}": step})
