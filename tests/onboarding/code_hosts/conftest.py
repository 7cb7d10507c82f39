"""Both code hosts on loopback, with a repo each, and the clients that onboarding has for them."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from onboarding.code_hosts.base import RepoHost, connect_host
from orchestrator.dev.far_sides import github, gitlab
from orchestrator.dev.far_sides.git_storage import Remote
from orchestrator.dev.far_sides.server import FarSide, serve

PATH = "acme/compliance-service"
TOKEN = "token-of-the-operators"
FILES = {"README.md": b"# Service\n", ".github/workflows/ci.yml": b"on: push\n", ".gitlab-ci.yml": b"a: {}\n"}


@dataclass
class HostedScene:
    """A code host, its far side, and the one repo that is there."""

    client: RepoHost
    far_side: Any
    there: Any

    @property
    def remote(self) -> Remote:
        return self.there.remote

    @property
    def secrets(self) -> dict[str, str]:
        if isinstance(self.far_side, github.LocalGitHub):
            return dict(self.there.secrets)
        return {name: facts["value"] for name, facts in self.there.variables.items()}

    @property
    def requests(self) -> list[dict[str, Any]]:
        if isinstance(self.far_side, github.LocalGitHub):
            return list(self.there.pulls)
        return list(self.there.merge_requests)


@pytest.fixture(params=["github", "gitlab"])
def scene(request, settings, tmp_path: Path) -> Iterator[HostedScene]:
    far_side: FarSide
    if request.param == "github":
        far_side = github.LocalGitHub(tokens={TOKEN: github.EVERYTHING})
        there: Any = far_side.add_repository(PATH, tmp_path)
    else:
        far_side = gitlab.LocalGitLab(tokens={TOKEN: gitlab.EVERYTHING})
        there = far_side.add_project(PATH, tmp_path)
    there.remote.commit_files("main", FILES)
    with serve(far_side) as url:
        settings.GITHUB_API_URL, settings.GITHUB_TOKEN = url, TOKEN
        settings.GITLAB_API_URL, settings.GITLAB_TOKEN = f"{url}/api/v4", TOKEN
        yield HostedScene(connect_host(request.param), far_side, there)
    assert far_side.faults == []
