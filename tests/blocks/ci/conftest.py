"""Jobs: a checkout with a remote, the platforms on loopback, and `blocks ci` as a job runs it."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from orchestrator.dev.far_sides.git_storage import Remote
from orchestrator.dev.far_sides.server import serve
from orchestrator.flows.models import Flow
from tests import scenes
from tests.blocks.ci import github_server, gitlab_server
from tests.blocks.ci.github_server import GitHubServer
from tests.blocks.ci.gitlab_server import GitLabServer

ROOT = Path(__file__).resolve().parents[3]
TOKEN = "token-of-the-job"
NAMES = {"user.name": "owner", "user.email": "owner@example.org"}
Done = subprocess.CompletedProcess[str]


def git(folder: Path, *words: str) -> str:
    """Run git as the owner of the repo; what it printed."""
    named = [part for name, value in NAMES.items() for part in ("-c", f"{name}={value}")]
    return subprocess.run(
        ["git", *named, *words], cwd=folder, capture_output=True, text=True, check=True
    ).stdout.strip()


def commit_files(folder: Path, files: Mapping[str, bytes | str], message: str = "Change") -> str:
    """Write files, commit everything, push the branch; the commit."""
    for path, content in files.items():
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content.encode() if isinstance(content, str) else content)
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "-m", message)
    git(folder, "push", "--quiet", "origin", "HEAD")
    return git(folder, "rev-parse", "HEAD")


@pytest.fixture
def remote(tmp_path: Path) -> Remote:
    """The repository of the platform, with one commit on ``main``."""
    place = tmp_path / "remote.git"
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(place)], check=True)
    return Remote(place)


@pytest.fixture
def work(remote: Remote, tmp_path: Path) -> Path:
    """The checkout of a job."""
    folder = tmp_path / "compliance-service"
    subprocess.run(["git", "clone", "-q", str(remote.place), str(folder)], check=True, capture_output=True)
    git(folder, "checkout", "--quiet", "-b", "main")
    commit_files(folder, {".blocks/config.yml": "repo: compliance-service\n", "README.md": "# Service\n"})
    return folder


@dataclass
class JobEnvironment:
    """The environment of a job of one platform, and the command line in it."""

    work: Path
    values: dict[str, str]
    scratch: Path
    extra: dict[str, str] = field(default_factory=dict)

    def set_event(self, name: str, event: Mapping[str, Any]) -> None:
        """Let this event have started the job."""
        place = self.scratch / "event.json"
        place.write_text(json.dumps(event), encoding="utf-8")
        self.values |= {name: str(place)}

    def start(self, *words: str, **more: str) -> "subprocess.Popen[str]":
        """`blocks` in the job, running."""
        kept = ("PATH", "HOME", "LANG", "COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG")
        clean = {name: os.environ[name] for name in kept if name in os.environ}
        clean |= {"PYTHONPATH": str(ROOT), "COLUMNS": "120", "PYTHONUTF8": "1"}
        return subprocess.Popen(
            [sys.executable, "-m", "blocks.cli.main", *words],
            cwd=self.work,
            env=clean | self.values | self.extra | more,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *words: str, **more: str) -> Done:
        """`blocks` in the job, to its end."""
        process = self.start(*words, **more)
        stdout, stderr = process.communicate(timeout=60)
        assert "Traceback" not in stderr, stderr
        return subprocess.CompletedProcess(words, process.returncode, stdout, stderr)

    def read(self, name: str) -> str:
        """A file that the job writes for its platform."""
        return Path(self.values[name]).read_text(encoding="utf-8")


@pytest.fixture
def github(remote: Remote) -> Iterator[GitHubServer]:
    """GitHub, and that it found nothing wrong."""
    server = GitHubServer(remote, {TOKEN: {"pull_requests", "issues"}})
    yield server
    assert server.faults == []


@pytest.fixture
def gitlab(remote: Remote) -> Iterator[GitLabServer]:
    """GitLab, and that it found nothing wrong."""
    server = GitLabServer(remote, {TOKEN: {"api", "write_repository"}})
    yield server
    assert server.faults == []


@pytest.fixture
def github_job(github: GitHubServer, work: Path, tmp_path: Path) -> Iterator[JobEnvironment]:
    """A job of GitHub Actions after a push to ``main``."""
    with serve(github) as url:
        values = {
            "GITHUB_ACTIONS": "true",
            "GITHUB_API_URL": url,
            "GITHUB_SERVER_URL": "https://github.com",
            "GITHUB_REPOSITORY": github_server.REPOSITORY,
            "GITHUB_REF_NAME": "main",
            "GITHUB_RUN_ID": "1234",
            "GITHUB_TOKEN": TOKEN,
            "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md"),
            "GITHUB_OUTPUT": str(tmp_path / "output"),
        }
        yield JobEnvironment(work, values, tmp_path)


@pytest.fixture
def gitlab_job(gitlab: GitLabServer, work: Path, tmp_path: Path) -> Iterator[JobEnvironment]:
    """A job of GitLab CI after a push to ``main``."""
    with serve(gitlab) as url:
        values = {
            "GITLAB_CI": "true",
            "CI_API_V4_URL": url,
            "CI_PROJECT_ID": gitlab_server.PROJECT,
            "CI_PROJECT_URL": "https://gitlab.example.org/acme/compliance-service",
            "CI_COMMIT_REF_NAME": "main",
            "CI_JOB_URL": "https://gitlab.example.org/acme/compliance-service/-/jobs/9",
            "GITLAB_TOKEN": TOKEN,
        }
        yield JobEnvironment(work, values, tmp_path)


def run_to_end(job: JobEnvironment, *words: str, gates_fail: bool = False, known: int = 0) -> Done:
    """Start the job; take the flow that it starts to its end; the job's end."""
    process = job.start("ci", "run", *words)
    until = time.monotonic() + 60
    while Flow.objects.count() == known and process.poll() is None:
        assert time.monotonic() < until
        time.sleep(0.05)
    if process.poll() is None:
        flow = Flow.objects.exclude(status__in=("passed", "failed")).get()
        scenes.run_through(flow, gates_fail=gates_fail)
    stdout, stderr = process.communicate(timeout=60)
    assert "Traceback" not in stderr, stderr
    return subprocess.CompletedProcess(words, process.returncode, stdout, stderr)
