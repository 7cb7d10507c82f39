"""All far sides on this machine: ``python -m orchestrator.dev.far_sides.local FOLDER``.

It prints one line of JSON, the settings that lead to them, and serves until it is ended. The repos are those
of the samples, below ``acme/``, at both code hosts; they are new at each start.
"""

import json
import secrets
import shutil
import sys
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from orchestrator.dev.far_sides import github, gitlab
from orchestrator.dev.far_sides.grafana import LocalGrafana
from orchestrator.dev.far_sides.pagerduty import LocalPagerDuty
from orchestrator.dev.far_sides.server import serve

SAMPLES: Final = Path(__file__).resolve().parents[3] / "samples"
OWNER: Final = "acme"
_WORKFLOW: Final = b"name: ci\non: push\njobs:\n  test:\n    runs-on: ubuntu-latest\n    steps: []\n"
_GITLAB_CI: Final = b"test:\n  script: [make test]\n"


def serve_all(opened: ExitStack, folder: Path) -> dict[str, str]:
    """Serve all four until ``opened`` ends; the settings that lead to them. ``folder`` is emptied first."""
    shutil.rmtree(folder, ignore_errors=True)
    # New at each start: no token of yesterday opens anything.
    tokens = {name: secrets.token_urlsafe(24) for name in ("github", "gitlab", "pagerduty", "grafana")}
    at_github = github.LocalGitHub(tokens={tokens["github"]: github.EVERYTHING})
    at_gitlab = gitlab.LocalGitLab(tokens={tokens["gitlab"]: gitlab.EVERYTHING})
    for sample in sorted(SAMPLES.glob("*/repo")):
        path = f"{OWNER}/{sample.parent.name}"
        files: dict[str, bytes | None] = {
            file.relative_to(sample).as_posix(): file.read_bytes()
            for file in sorted(sample.rglob("*"))
            if file.is_file() and "__pycache__" not in file.parts
        }
        files |= {".github/workflows/ci.yml": _WORKFLOW, ".gitlab-ci.yml": _GITLAB_CI}
        for made in (
            at_github.add_repository(path, folder / "github"),
            at_gitlab.add_project(path, folder / "gitlab"),
        ):
            made.remote.commit_files("main", files, "As it is")
    return {
        "GITHUB_API_URL": opened.enter_context(serve(at_github)),
        "GITHUB_TOKEN": tokens["github"],
        "GITLAB_API_URL": opened.enter_context(serve(at_gitlab)) + "/api/v4",
        "GITLAB_TOKEN": tokens["gitlab"],
        "PAGERDUTY_API_URL": opened.enter_context(serve(LocalPagerDuty(tokens={tokens["pagerduty"]}))),
        "PAGERDUTY_API_TOKEN": tokens["pagerduty"],
        "GRAFANA_URL": opened.enter_context(serve(LocalGrafana(tokens={tokens["grafana"]}))),
        "GRAFANA_TOKEN": tokens["grafana"],
    }


def main() -> int:
    """Serve until interrupted."""
    with ExitStack() as opened:
        values = serve_all(opened, Path(sys.argv[1]))
        sys.stdout.write(json.dumps(values) + "\n")
        sys.stdout.flush()
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
