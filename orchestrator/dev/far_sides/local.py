"""Far sides on this machine: ``python -m orchestrator.dev.far_sides.local FOLDER github grafana``.

It prints one line of JSON, the settings that lead to those that are named, and serves until it is ended. The
repos are those of the samples, below ``acme/``, at both code hosts; they are new at each start, and FOLDER is
emptied before.
"""

import json
import secrets
import shutil
import sys
import threading
from collections.abc import Iterator
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


def serve_github(opened: ExitStack, folder: Path) -> dict[str, str]:
    """GitHub with the repos of the samples; the settings that lead to it."""
    # New at each start: no token of yesterday opens anything.
    token = secrets.token_urlsafe(24)
    made = github.LocalGitHub(tokens={token: github.EVERYTHING})
    for path, files in list_samples():
        made.add_repository(path, folder / "github").remote.commit_files("main", files, "As it is")
    return {"GITHUB_API_URL": opened.enter_context(serve(made)), "GITHUB_TOKEN": token}


def serve_gitlab(opened: ExitStack, folder: Path) -> dict[str, str]:
    """GitLab with the same."""
    token = secrets.token_urlsafe(24)
    made = gitlab.LocalGitLab(tokens={token: gitlab.EVERYTHING})
    for path, files in list_samples():
        made.add_project(path, folder / "gitlab").remote.commit_files("main", files, "As it is")
    return {"GITLAB_API_URL": opened.enter_context(serve(made)) + "/api/v4", "GITLAB_TOKEN": token}


def serve_pagerduty(opened: ExitStack, _: Path) -> dict[str, str]:
    """PagerDuty without a service yet."""
    token = secrets.token_urlsafe(24)
    url = opened.enter_context(serve(LocalPagerDuty(tokens={token})))
    return {"PAGERDUTY_API_URL": url, "PAGERDUTY_API_TOKEN": token}


def serve_grafana(opened: ExitStack, _: Path) -> dict[str, str]:
    """Grafana without a dashboard yet."""
    token = secrets.token_urlsafe(24)
    return {"GRAFANA_URL": opened.enter_context(serve(LocalGrafana(tokens={token}))), "GRAFANA_TOKEN": token}


def list_samples() -> Iterator[tuple[str, dict[str, bytes | None]]]:
    """The path of each sample's repo, and its files with a CI of both kinds."""
    for sample in sorted(SAMPLES.glob("*/repo")):
        files: dict[str, bytes | None] = {
            file.relative_to(sample).as_posix(): file.read_bytes()
            for file in sorted(sample.rglob("*"))
            if file.is_file() and "__pycache__" not in file.parts
        }
        files |= {".github/workflows/ci.yml": _WORKFLOW, ".gitlab-ci.yml": _GITLAB_CI}
        yield f"{OWNER}/{sample.parent.name}", files


_SERVERS: Final = {
    "github": serve_github,
    "gitlab": serve_gitlab,
    "pagerduty": serve_pagerduty,
    "grafana": serve_grafana,
}


def main() -> int:
    """Serve until interrupted."""
    folder, names = Path(sys.argv[1]), sys.argv[2:]
    shutil.rmtree(folder, ignore_errors=True)
    with ExitStack() as opened:
        values: dict[str, str] = {}
        for name in names:
            values |= _SERVERS[name](opened, folder)
        sys.stdout.write(json.dumps(values) + "\n")
        sys.stdout.flush()
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
