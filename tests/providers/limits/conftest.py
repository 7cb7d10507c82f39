"""A clock that tests turn, a provider on loopback, and small limits."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection

from providers import registry
from tests.providers.limits.loopback import LoopbackProvider

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


class Clock:
    """Time in the database: ``provider_now`` reads one row."""

    def __init__(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("CREATE TABLE test_clock AS SELECT %s::timestamptz AS now", [NOON])
            cursor.execute(
                "CREATE OR REPLACE FUNCTION provider_now() RETURNS timestamptz LANGUAGE sql VOLATILE"
                " AS 'SELECT now FROM test_clock'"
            )

    @property
    def now(self) -> datetime:
        with connection.cursor() as cursor:
            cursor.execute("SELECT now FROM test_clock")
            (now,) = cursor.fetchone()
        return now

    def step(self, **by: float) -> None:
        seconds = timedelta(**by).total_seconds()
        with connection.cursor() as cursor:
            cursor.execute("UPDATE test_clock SET now = now + make_interval(secs => %s)", [seconds])


@pytest.fixture
def clock(db: None) -> Clock:
    """The limiter's clock, at noon until it is stepped; gone with the test's transaction."""
    return Clock()


@pytest.fixture
def loopback(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackProvider]:
    """All three vendors answer from one server on loopback, with small limits."""
    with LoopbackProvider() as server:
        for name, adapter in (("anthropic", "anthropic"), ("openai", "openai"), ("google", "google-genai")):
            monkeypatch.setitem(
                registry.ADAPTERS._members, adapter, f"tests.providers.limits.loopback:{name.title()}"
            )  # type: ignore[attr-defined]
            settings.PROVIDERS = {
                **settings.PROVIDERS,
                name: {
                    **settings.PROVIDERS[name],
                    "api_key": "loopback",
                    "base_url": server.url,
                    "daily_token_quota": 100_000,
                    "tokens_per_minute": 50_000,
                    "requests_per_minute": 100,
                    "max_concurrency": 4,
                },
            }
        settings.DAILY_BUDGET_USD = Decimal(50)
        registry.close_adapters()  # what other tests built
        yield server
        registry.close_adapters()
