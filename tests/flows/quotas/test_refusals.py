"""A vendor that refuses for ever, before a whole flow: few calls, then a wait or an end in its words.

The limiter's clock is turned, so that ten minutes of pauses take no time.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from django.db import connection

from orchestrator.flows.models import Flow
from orchestrator.flows.scheduler.provider_release import ProviderRelease
from orchestrator.flows.worker.runner import MAX_REFUSALS
from providers.models import ProviderState
from tests.flows.engine.conftest import live, new_flow, repo, sent  # noqa: F401 - fixtures
from tests.flows.quotas.test_money import flow, models, run, simulated  # noqa: F401 - fixtures
from tests.flows.quotas.test_vendor_rows import ask_until
from tests.providers.simulated import Simulated

pytestmark = pytest.mark.django_db(transaction=True)
TEN_MINUTES = 600.0


@dataclass
class LimiterClock:
    """The clock of the limiter, ahead of the database's by ``ahead`` seconds."""

    ahead: float = 0.0

    def step(self, seconds: float) -> None:
        self.ahead += seconds
        body = f"SELECT clock_timestamp() + make_interval(secs => {self.ahead})"
        with connection.cursor() as cursor:
            cursor.execute(
                "CREATE OR REPLACE FUNCTION provider_now() RETURNS timestamptz "
                f"LANGUAGE sql VOLATILE AS $${body}$$"
            )

    def wait_for(self, provider: str) -> None:
        """Until nobody has to stay away from ``provider`` any more."""
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT extract(epoch FROM not_before - provider_now())::float8 "
                "FROM providers_providerstate WHERE provider = %s",
                [provider],
            )
            (seconds,) = cursor.fetchone()
        self.step(max(seconds, 0.0) + 0.01)


@pytest.fixture
def limiter_clock() -> Iterator[LimiterClock]:
    turned = LimiterClock()
    yield turned
    turned.step(-turned.ahead)


@pytest.mark.parametrize(
    ("provider", "row", "words"),
    [
        ("google", "limit-zero", "limit: 0"),
        ("google", "retry-delay-zero", "Resource exhausted"),
        ("openai", "retry-after-zero", "Rate limit reached"),
        ("openai", "retry-after-in-years", "Rate limit reached"),
    ],
)
def test_few_calls_reach_a_vendor_that_refuses_for_ever(
    flow: Callable[..., Flow],  # noqa: F811
    simulated: Simulated,  # noqa: F811
    limiter_clock: LimiterClock,
    provider: str,
    row: str,
    words: str,
) -> None:
    made, releaser = ask_until(flow, provider), ProviderRelease()
    asked = simulated.requests(provider)
    simulated.behave(provider, {"kind": row})
    run(made)
    in_ten_minutes = 0
    while made.status == "waiting":
        assert words in live(made).wait_reason
        limiter_clock.wait_for(provider)
        if limiter_clock.ahead <= TEN_MINUTES:
            in_ten_minutes = simulated.requests(provider) - asked
        assert releaser.release() == 1
        run(made)
    assert 0 < in_ten_minutes <= 12
    assert simulated.requests(provider) - asked == MAX_REFUSALS
    assert (made.status, made.error_message.startswith(f"Refused {MAX_REFUSALS} times")) == ("failed", True)
    assert words in made.error_message
    assert made.error_cure
    state = ProviderState.objects.get(provider=provider)
    assert (state.inflight, state.reserved_tokens) == (0, 0)
