"""The backends that work on this machine, each as a test's parameter.

A backend that does not work here is skipped, unless ``SANDBOX_REQUIRED`` (names, separated by commas; our CI
sets it) says that it must. At least one has to work everywhere.
"""

import os
from collections.abc import Callable

import pytest
from django.conf import settings

from gates.sandbox.base import Job, Outcome, SandboxBackend
from gates.sandbox.build import build_interpreter
from gates.sandbox.registry import BACKENDS

REQUIRED = {name for name in os.environ.get("SANDBOX_REQUIRED", "").split(",") if name}


@pytest.fixture(scope="session", autouse=True)
def _interpreter() -> None:
    build_interpreter(settings.SANDBOX_VENV)


@pytest.fixture(scope="session", params=list(BACKENDS))
def backend(request: pytest.FixtureRequest) -> SandboxBackend:
    """One way of holding a job."""
    found = BACKENDS.get(request.param).availability()
    if not found.available:
        assert request.param not in REQUIRED, f"{request.param} must work here: {found.reason}"
        pytest.skip(f"{request.param} does not work here: {found.reason}")
    return BACKENDS.get(request.param)


@pytest.fixture
def python(backend: SandboxBackend) -> Callable[..., Outcome]:
    """Run a piece of Python in the backend: ``python("print(1)", wall_seconds=5)``."""

    def run(code: str, **limits: object) -> Outcome:
        return backend.run(Job(argv=("python", "-I", "-c", code), **limits))  # type: ignore[arg-type]

    return run
