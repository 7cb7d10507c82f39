"""What an SRE sees and may do in the admin."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from providers import limiter
from providers.base import Usage
from providers.limiter import Admitted, ReservationRequest
from providers.models import ProviderCall, ProviderChange, ProviderState
from tests.providers.limits.conftest import Clock


@pytest.fixture
def sre(clock: Clock, client: Client, settings: Any, tmp_path: Path) -> Client:
    settings.STATIC_ROOT = tmp_path  # nothing is collected in a checkout
    client.force_login(User.objects.create_superuser("sre", password="x"))
    assert isinstance(
        limiter.acquire(ReservationRequest("openai", "m", 150_000, 10, timeout_seconds=60)), Admitted
    )
    return client


def test_the_page_of_a_provider_shows_its_quota_and_chart(sre: Client) -> None:
    page = sre.get("/admin/providers/providerstate/openai/change/").content.decode()
    assert "<svg" in page
    assert "150,000 tokens" in page
    assert "1 of 32" in page
    assert "0 of 1,500,000 (0.0 %)" in page
    assert "(&#x27;" not in page  # labels are for lists: on this page they would show as tuples
    everything = sre.get("/admin/providers/providerstate/").content.decode()
    assert all(
        name in everything for name in ("anthropic", "openai", "google")
    )  # also those that were never called


def test_the_quota_breaker_is_told_from_an_operators_pause(sre: Client, settings: Any) -> None:
    settings.PROVIDERS = {
        **settings.PROVIDERS,
        "openai": settings.PROVIDERS["openai"] | {"daily_token_quota": 170_000},
    }
    call = ProviderCall.objects.get()
    limiter.settle(call.id, "openai", Usage(input_tokens=150_000), Decimal(1), {})
    page = sre.get("/admin/providers/providerstate/openai/change/").content.decode()
    assert "150,000 of 170,000 (88.2 %: no new call)" in page
    assert "openai: 88 % of daily tokens used; capacity returns 21 Nov 13:00 UTC" in page
    assert "85 %, where no new call starts" in page
    settings.ENABLE_CIRCUIT_BREAKER = False
    assert (
        "where no new call starts"
        not in sre.get("/admin/providers/providerstate/openai/change/").content.decode()
    )


def test_pausing_needs_a_reason_and_is_recorded(sre: Client) -> None:
    url = "/admin/providers/providerstate/openai/change/"
    sre.post(url, {"paused": "on", "reason": ""})
    assert not ProviderState.objects.get(provider="openai").paused
    sre.post(url, {"paused": "on", "reason": "bills look wrong"})
    change = ProviderChange.objects.get()
    assert (change.action, change.actor, change.reason) == ("paused", "sre", "bills look wrong")
    assert (
        "paused by an operator: bills look wrong"
        in sre.get("/admin/providers/providerstate/").content.decode()
    )
    assert "paused by sre: bills look wrong" in sre.get(url).content.decode()
    state = ProviderState.objects.get(provider="openai")
    assert (state.paused, state.reserved_tokens) == (True, 150_000)
    sre.post(url, {"reason": "they are right"})
    assert not ProviderState.objects.get(provider="openai").paused


def test_the_ledger_can_be_read_and_not_changed(sre: Client) -> None:
    page = sre.get("/admin/providers/providercall/").content.decode()
    assert "(150,000)" in page
    assert sre.get("/admin/providers/providercall/add/").status_code == 403
    assert sre.get("/admin/providers/providerchange/").status_code == 200


def test_an_operator_ends_a_wait(sre: Client) -> None:
    call = ProviderCall.objects.get()
    limiter.release(
        call.id,
        "openai",
        code="provider:account-exhausted",
        message="openai: no credit",
        pause_seconds=86_400,
    )
    url = "/admin/providers/providerstate/openai/change/"
    assert "the account has run out: openai: no credit" in sre.get(url).content.decode()
    sre.post(url, {"end_wait": "on", "reason": "topped up"})
    assert isinstance(
        limiter.acquire(ReservationRequest("openai", "m", 10, 10, timeout_seconds=60)), Admitted
    )
    assert [(one.action, one.actor) for one in ProviderChange.objects.all()] == [
        ("resumed", "sre"),
        ("exhausted", "provider"),
    ]


def test_no_pause_is_longer_than_a_month(sre: Client, clock: Clock) -> None:
    """Where nonsense came through all checks, every page can still show the time."""
    call = ProviderCall.objects.get()
    limiter.release(call.id, "openai", code="x", pause_seconds=float("inf"))
    until = ProviderState.objects.get(provider="openai").not_before
    assert until is not None
    assert (until - clock.now).days == 32
    assert sre.get("/admin/providers/providerstate/").status_code == 200
