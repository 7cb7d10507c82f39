"""Sixty flows of three repos under a day's quota for forty, with everything as deployed: workers, dispatcher,
broker, SDKs.

Only two things are not real: the models, which are simulated, and the limiter's clock, which the test turns.
"""

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.utils import timezone

from blocks.format.moments import read_moments
from orchestrator.flows import engine
from orchestrator.flows.models import Flow, Stage
from orchestrator.repos import tokens
from orchestrator.repos.models import Repo
from providers import audit, registry
from providers.models import ProviderCall
from tests.flows.engine.stack import ROOT, Stack, running, until
from tests.flows.quotas.plugin import request
from tests.providers.simulated import Simulated, started

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(600)]
PASSING, WAITING = 40, 20


@pytest.fixture
def turn_clock() -> Iterator[Callable[[str], None]]:
    """Sets the limiter's clock, which then continues."""

    def define(body: str) -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                "CREATE OR REPLACE FUNCTION provider_now() RETURNS timestamptz "
                f"LANGUAGE sql VOLATILE AS $$SELECT {body}$$"
            )

    def turn(at: str) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT clock_timestamp()")
            (real,) = cursor.fetchone()
        define(f"'{at}+00'::timestamptz + (clock_timestamp() - '{real.isoformat()}'::timestamptz)")

    yield turn
    define("clock_timestamp()")


@pytest.fixture
def simulated() -> Iterator[Simulated]:
    with started("--echo") as simulator:
        yield simulator


@pytest.fixture
def stack(simulated: Simulated, asking_flows, tmp_path, settings) -> Iterator[Stack]:
    """Workers and a dispatcher. Anthropic takes one call at a time, so that exactly forty fit below the
    breaker's 85 %.
    """
    with closing(registry.ADAPTERS.get("anthropic")("k", simulated.urls["ANTHROPIC_BASE_URL"])) as adapter:
        used = adapter.complete(request("anthropic")).usage.total
    simulated.reset()
    quota = PASSING * used * 100 // 85
    settings.PROVIDERS = {
        **settings.PROVIDERS,
        "anthropic": settings.PROVIDERS["anthropic"] | {"daily_token_quota": quota},
    }
    environment = {key: url for key, url in simulated.urls.items() if key != "control"} | {
        f"{name}_{what}": value
        for name in ("ANTHROPIC", "OPENAI", "GOOGLE")
        for what, value in (
            ("API_KEY", "k"),
            ("TOKENS_PER_MINUTE", "1000000"),
            ("REQUESTS_PER_MINUTE", "1000"),
        )
    }
    environment |= {
        "ENGINE_PLUGINS": "tests.flows.quotas.plugin",
        "ENGINE_LEASE_SECONDS": "15",
        "ANTHROPIC_MAX_CONCURRENCY": "1",
        "ANTHROPIC_DAILY_TOKEN_QUOTA": str(quota),
    }
    with running(tmp_path, environment) as stack:
        stack.worker("models", "google,openai,anthropic,control")
        stack.dispatcher()
        yield stack


def standing() -> Counter[str]:
    return Counter(Flow.objects.values_list("status", flat=True))


def waits(reason: str, number: int) -> bool:
    """Whether exactly so many flows wait, all for this reason."""
    return (
        list(Stage.objects.filter(status="waiting").values_list("wait_reason", flat=True))
        == [reason] * number
    )


def test_forty_pass_twenty_wait_and_pass_as_the_hours_roll(
    stack, simulated, turn_clock, service, client, settings, tmp_path
):
    turn_clock("2026-11-20 13:05")
    large, middle, small = (Repo.objects.create(name=name) for name in ("large", "middle", "small"))
    for repo in (large,) * 7 + (middle,) * 3:
        engine.create(repo, "# A", flow_type="asking")
    until(lambda: standing() == {"passed": 10}, "the first hour's ten flows")
    turn_clock("2026-11-20 14:05")
    for repo in (large,) * 35 + (middle,) * 10 + (small,) * 5:
        engine.create(repo, "# B", flow_type="asking")
    until(
        lambda: standing() == {"passed": PASSING, "waiting": WAITING}, "forty passed and twenty waiting flows"
    )

    reason = "anthropic: 85 % of daily tokens used; capacity returns 2026-11-21T14:00Z"
    until(lambda: waits(reason, WAITING), "the reason of the twenty")
    waiting = list(Flow.objects.filter(status="waiting").values_list("pk", flat=True))
    had = Counter(Flow.objects.filter(pk__in=waiting).values_list("repo__name", flat=True))
    _seen_by_people(client, service.url, reason, settings, tmp_path)

    turn_clock("2026-11-21 14:00:01")  # what the first hour used has rolled off: ten more
    until(lambda: standing() == {"passed": PASSING + 10, "waiting": WAITING - 10}, "ten more")
    until(lambda: waits(reason.replace("14:00Z", "15:00Z"), WAITING - 10), "the reason of the ten")
    went = Counter(Flow.objects.filter(pk__in=waiting, status="passed").values_list("repo__name", flat=True))
    # However many each repo has, the repos go in turn: one lags behind only when all of its flows have gone.
    assert all(went[name] >= max(went.values()) - 1 or went[name] == had[name] for name in had), (went, had)
    turn_clock("2026-11-21 15:00:01")
    until(lambda: standing() == {"passed": 60}, "the last ten")

    assert Counter(ProviderCall.objects.values_list("provider", "status")) == {
        (name, "settled"): 60 for name in ("anthropic", "google", "openai")
    }
    assert [simulated.requests(name) for name in ("anthropic", "google", "openai")] == [60, 60, 60]
    assert audit.find_differences() == []


def _seen_by_people(client: Client, url: str, reason: str, settings, tmp_path) -> None:
    """REST and command line say why a flow waits and until which day; the admin has what is kept."""
    kept, reason = reason, read_moments(reason, timezone.now())
    flow = Flow.objects.filter(status="waiting").first()
    token = tokens.create_token("operator", None)[1]
    found = client.get(f"/api/v1/flows/{flow.pk}/", headers={"Authorization": f"Bearer {token}"}).json()
    assert (found["status"], found["wait_reason"]) == ("waiting", reason)
    assert reason in [stage["wait_reason"] for stage in found["stages"]]
    environment = os.environ | {
        "BLOCKS_API_URL": url,
        "BLOCKS_TOKEN": token,
        "COLUMNS": "200",
        "PYTHONPATH": str(ROOT),
    }
    command = [sys.executable, "-m", "blocks.cli.main", "status", "flows", "--status", "waiting"]
    said = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    ).stdout
    assert said.count(reason) == WAITING
    settings.STATIC_ROOT = tmp_path  # nothing is collected in a checkout
    client.force_login(User.objects.create_superuser("sre", password="x"))
    assert kept in client.get(f"/admin/flows/flow/{flow.pk}/change/").content.decode()
