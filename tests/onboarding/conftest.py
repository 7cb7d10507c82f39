"""The code hosts on loopback."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.onboarding.far_sides import HostScene, serve_host
from tests.onboarding.steps import leave_out_code_hosts


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
