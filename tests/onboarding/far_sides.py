"""GitHub and GitLab on loopback for tests of steps: one repo each, and contexts as the engine makes them."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from onboarding.step_protocol import Passed, RequestFacts, StepContext
from orchestrator.dev.far_sides import github, gitlab
from orchestrator.dev.far_sides.git_storage import Remote
from orchestrator.dev.far_sides.server import serve

PATH = "acme/compliance-service"
TOKEN = "token-of-the-operators"
FILES = {
    "README.md": b"# Service\n",
    ".github/workflows/ci.yml": b"on: push\njobs: {}\n",
    ".gitlab-ci.yml": b"# ours\ntest:\n  script: [make test]\n",
}
SYSTEMS = {"github": "github_actions", "gitlab": "gitlab_ci"}


def make_context(
    lines: list[str], outputs: dict[str, Any] | None = None, *, still_ours: Any = lambda: None, **facts: Any
) -> StepContext:
    """What a step is given; what it logs goes to ``lines``."""
    request = RequestFacts(
        id=1,
        reference="ONB-7K3QF",
        repo_name="compliance-service",
        code_host="github",
        code_host_path=PATH,
        clone_url="",
        block_family="compliance",
        team_lead="lead@example.org",
        ci_system="github_actions",
        ci_credentials="secret",
        clones_privately=False,
        requested_by="owner@example.org",
        requested_from="",
        phase="org",
        created_at=datetime.now(UTC),
        approved_by="lead@example.org",
        approved_at=datetime.now(UTC),
    )
    return StepContext(
        request=replace(request, **facts),
        outputs=outputs or {},
        previous={},
        attempt=1,
        started_at=datetime.now(UTC),
        log=lines.append,
        note=lambda _: None,
        still_ours=still_ours,
    )


@dataclass
class HostScene:
    """A code host and its one repo; ``context`` makes what a step is given."""

    kind: str
    far_side: Any
    there: Any
    lines: list[str] = field(default_factory=list)

    @property
    def remote(self) -> Remote:
        return self.there.remote

    @property
    def secrets(self) -> dict[str, str]:
        if self.kind == "github":
            return dict(self.there.secrets)
        return {name: facts["value"] for name, facts in self.there.variables.items()}

    def make_context(self, outputs: dict[str, Any] | None = None, **facts: Any) -> StepContext:
        """What a step of this repo's request is given."""
        hosted = {"code_host": self.kind, "ci_system": SYSTEMS[self.kind]}
        return make_context(self.lines, outputs, **(hosted | facts))

    def run(self, step: Any, outputs: dict[str, Any] | None = None, **facts: Any) -> Any:
        """The answer of a step; where the repo has to be known, as the check has found it."""
        known = {"repo_exists": {"path": PATH, "number": str(self.there.number), "default_branch": "main"}}
        return step.run(self.make_context(known | (outputs or {}), **facts))

    def undo(self, step: Any, **facts: Any) -> None:
        """Take back what a step has made."""
        assert isinstance(step.undo(self.make_context(**facts)), Passed)


@contextlib.contextmanager
def serve_host(kind: str, settings: Any, folder: Path) -> Iterator[HostScene]:
    """A code host with the repo, and settings that lead to it; a test fails where it was asked wrongly."""
    far_side: Any
    if kind == "github":
        far_side = github.LocalGitHub(tokens={TOKEN: github.EVERYTHING})
        there: Any = far_side.add_repository(PATH, folder)
    else:
        far_side = gitlab.LocalGitLab(tokens={TOKEN: gitlab.EVERYTHING})
        there = far_side.add_project(PATH, folder)
    there.remote.commit_files("main", FILES)
    with serve(far_side) as url:
        settings.GITHUB_API_URL, settings.GITHUB_TOKEN = url, TOKEN
        settings.GITLAB_API_URL, settings.GITLAB_TOKEN = f"{url}/api/v4", TOKEN
        settings.PUBLIC_URL = "https://blocks.example.org"
        settings.CLONE_PRIVATE_HOSTS = frozenset({"127.0.0.1"})
        yield HostScene(kind, far_side, there)
    assert far_side.faults == []
