"""The status page: what is ok, degraded or down."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from orchestrator.flows.models import Stage
from providers.models import ProviderState
from tests import scenes


def shown() -> str:
    return Client().get("/status/").content.decode()


def test_all_is_well(db):
    text = shown()
    assert "<h1>Everything works</h1>" in text
    assert "degraded" not in text


def test_a_queue_that_nobody_works_off_is_degraded(db):
    flow = scenes.flow(status="running")
    Stage.objects.filter(flow=flow, status="ready").update(ready_at=timezone.now() - timedelta(minutes=10))
    text = shown()
    assert "<h1>Works, with a limp</h1>" in text
    assert "0 running, 1 queued, the oldest for 10 min" in text


def test_a_provider_that_is_paused_is_degraded(db):
    shown()
    assert (
        ProviderState.objects.filter(provider="openai").update(paused=True, pause_reason="secret reason") == 1
    )
    text = shown()
    assert "paused by an operator" in text
    assert "secret reason" not in text


def test_the_core_down_is_down(db, settings):
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    text = shown()
    assert "<h1>Something is down</h1>" in text
    assert "Providers" not in text


@pytest.mark.parametrize("path", ["/nope/", "/flows/x/y/z/"])
def test_what_is_not_there_says_so_in_our_own_page(db, path):
    answer = Client().get(path)
    assert answer.status_code == 404
    assert "no such page" in answer.content.decode()
    assert "Content-Security-Policy" in answer
