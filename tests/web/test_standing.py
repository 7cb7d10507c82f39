"""The status page: what is ok, degraded or down."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from orchestrator.flows.models import Stage
from providers.models import ProviderState
from tests import scenes


def read_status_page() -> str:
    return Client().get("/status/").content.decode()


def test_all_is_well(db):
    text = read_status_page()
    assert "<h1>Everything works</h1>" in text
    assert "degraded" not in text


def test_a_queue_that_nobody_works_off_is_degraded(db):
    flow = scenes.make_flow()
    Stage.objects.filter(flow=flow, status="ready").update(ready_at=timezone.now() - timedelta(minutes=10))
    text = read_status_page()
    assert "<h1>Works, with a limp</h1>" in text
    assert "0 running, 1 queued, the oldest for 10 min" in text


def test_a_provider_that_is_paused_is_degraded(db):
    read_status_page()
    assert (
        ProviderState.objects.filter(provider="openai").update(paused=True, pause_reason="secret reason") == 1
    )
    text = read_status_page()
    assert "paused by an operator" in text
    assert "secret reason" not in text


def test_the_core_down_is_down(db, settings):
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    text = read_status_page()
    assert "<h1>Something is down</h1>" in text
    assert "Providers" not in text


@pytest.mark.parametrize("path", ["/nope/", "/flows/x/y/z/"])
def test_what_is_not_there_says_so_in_our_own_page(db, path):
    answer = Client().get(path)
    assert answer.status_code == 404
    assert "no such page" in answer.content.decode()
    assert "Content-Security-Policy" in answer
