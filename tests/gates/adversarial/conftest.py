"""The honest blocks bring tests of their own; they run in the sandbox only: in the backend in force, slowly in each."""

import pytest
from django.conf import LazySettings

from gates.sandbox.registry import BACKENDS

collect_ignore_glob = ["honest/*"]


@pytest.fixture(params=["in-force", *(pytest.param(name, marks=pytest.mark.slow) for name in BACKENDS)], autouse=True)
def backend(request: pytest.FixtureRequest, settings: LazySettings) -> str:
    """The backend under which the gates of a test run."""
    if request.param != "in-force":
        found = BACKENDS[request.param].availability()
        if not found.available:
            pytest.skip(f"{request.param} does not work here: {found.reason}")
        settings.SANDBOX_BACKEND = request.param
    return str(request.param)
