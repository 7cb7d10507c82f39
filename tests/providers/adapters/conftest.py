from collections.abc import Iterator

import pytest

from tests.providers.simulated import Simulated, started


@pytest.fixture(scope="session")
def _echoing() -> Iterator[Simulated]:
    with started("--echo") as simulated:
        yield simulated


@pytest.fixture
def simulator(_echoing: Simulated) -> Simulated:
    """One process for the suite, forgetting everything between tests."""
    _echoing.reset()
    return _echoing
