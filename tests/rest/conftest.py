"""A client with a token, for repos and operators."""

from collections.abc import Callable

import pytest
from rest_framework.test import APIClient

from orchestrator.repos import tokens
from orchestrator.repos.models import Repo
from tests import scenes


@pytest.fixture(autouse=True)
def keys(settings) -> None:
    """Every provider has a key."""
    settings.PROVIDERS = {name: {**limits, "api_key": "k"} for name, limits in settings.PROVIDERS.items()}


@pytest.fixture
def repo(db) -> Repo:
    """The repo that the tests speak of."""
    return scenes.make_repo()


@pytest.fixture
def as_token(db) -> Callable[[Repo | None], APIClient]:
    """A client with a fresh token of a repo, or of an operator."""

    def make(owner: Repo | None = None) -> APIClient:
        client = APIClient()
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {tokens.create_token('test', owner)[1]}")
        return client

    return make


@pytest.fixture
def api(as_token, repo) -> APIClient:
    """A client with the repo's token."""
    return as_token(repo)


@pytest.fixture
def operator(as_token) -> APIClient:
    """A client with an operator's token."""
    return as_token(None)
