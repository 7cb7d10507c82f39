"""What an SRE sees and may do in the admin."""

from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from providers import limits
from providers.limits import Admitted, Wanted
from providers.models import ProviderChange, ProviderState
from tests.providers.limits.conftest import Clock


@pytest.fixture
def sre(clock: Clock, client: Client, settings: Any, tmp_path: Path) -> Client:
    settings.STATIC_ROOT = tmp_path  # nothing is collected in a checkout
    client.force_login(User.objects.create_superuser("sre", password="x"))
    assert isinstance(limits.acquire(Wanted("openai", "m", 150_000, 10, timeout_seconds=60)), Admitted)
    return client


def test_the_page_of_a_provider_shows_its_quota_and_chart(sre: Client) -> None:
    page = sre.get("/admin/providers/providerstate/openai/change/").content.decode()
    assert "<svg" in page
    assert "150,000 tokens" in page
    assert "1 of 32" in page
    everything = sre.get("/admin/providers/providerstate/").content.decode()
    assert all(name in everything for name in ("anthropic", "openai", "google"))  # also those that were never called


def test_pausing_needs_a_reason_and_is_recorded(sre: Client) -> None:
    url = "/admin/providers/providerstate/openai/change/"
    sre.post(url, {"paused": "on", "reason": ""})
    assert not ProviderState.objects.get(provider="openai").paused
    sre.post(url, {"paused": "on", "reason": "bills look wrong"})
    change = ProviderChange.objects.get()
    assert (change.action, change.actor, change.reason) == ("paused", "sre", "bills look wrong")
    assert "paused by an operator: bills look wrong" in sre.get("/admin/providers/providerstate/").content.decode()
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
