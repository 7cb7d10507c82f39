from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import LazySettings

from tests.flows.source.git_server import GitRepo, GitServer, serve_git


@pytest.fixture
def git_server(tmp_path: Path, settings: LazySettings) -> Iterator[GitServer]:
    """A git server on loopback, which may be cloned from."""
    settings.CLONE_PRIVATE_HOSTS = frozenset({"127.0.0.1"})
    (tmp_path / "served").mkdir()
    with serve_git(tmp_path / "served") as started:
        yield started


@pytest.fixture
def git_repo(git_server: GitServer) -> GitRepo:
    """An empty repo on it."""
    return GitRepo(git_server)
