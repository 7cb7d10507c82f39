"""The honest blocks bring tests of their own; they run in the sandbox only."""

import pytest

from gates.sandbox.registry import BACKENDS, choose_backend

collect_ignore_glob = ["honest/*"]


@pytest.fixture
def other_backends() -> list[str]:
    """The names of the backends that work here and are not in force; the last is the most different."""
    found = [backend.availability() for _, backend in BACKENDS.items()]
    working = [each.name for each in found if each.available]
    others = [name for name in working if name != choose_backend().name]
    if not others:
        pytest.skip(f"only {working} holds here")
    return others
