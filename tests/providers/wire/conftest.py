"""The limiter's clock, which tests turn."""

import pytest

from tests.providers.limits.conftest import Clock


@pytest.fixture
def clock(db: None) -> Clock:
    """At noon until it is stepped; gone with the test's transaction."""
    return Clock()
