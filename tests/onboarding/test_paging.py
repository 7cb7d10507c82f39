"""The service of a repo is paged for what its team can change: once each time, and told of the end."""

import json
import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from onboarding.models import RepoPage, TerraformState
from onboarding.paging import watch
from orchestrator.core.sealing import seal
from orchestrator.dev.receivers import Receivers
from orchestrator.flows.engine.waits import REPO_BUDGET
from orchestrator.ops.notifications import delivery
from orchestrator.ops.notifications.models import Notification
from orchestrator.repos import halts
from orchestrator.repos.models import Repo
from tests import scenes

KEY = "a1b2c3d4e5f60718293a4b5c6d7e8f90"


@pytest.fixture
def received(settings, db):
    with Receivers() as receivers:
        receivers.received.routing_keys = {KEY}
        settings.PAGERDUTY_EVENTS_URL = f"{receivers.url}/pagerduty/v2/enqueue"
        # The SREs' own service is not the repo's, and is not needed for it.
        settings.PAGERDUTY_ROUTING_KEY = ""
        yield receivers.received


def keep_state(repo: Repo, key: str = KEY) -> None:
    """What Terraform's apply has left."""
    made = {
        "type": "pagerduty_service_integration",
        "instances": [{"attributes": {"integration_key": key}}],
    }
    sealed = seal(
        json.dumps({"resources": [{"type": "x", "instances": []}, made]}).encode(), "terraform state"
    )
    TerraformState.objects.update_or_create(repo_name=repo.name, defaults={"sealed": sealed})


@pytest.fixture
def repo(db) -> Repo:
    made = scenes.make_repo("billing")
    keep_state(made)
    return made


def deliver() -> None:
    for row in Notification.objects.filter(status="waiting").order_by("id"):
        delivery.deliver(row.pk)


def list_pages(received) -> list[tuple[str, str, list[str]]]:
    """Severity, summary and actions of each page."""
    return [
        (one["payload"]["severity"], one["payload"]["summary"], one["events"])
        for one in received.pages.values()
    ]


def look_later(minutes: float) -> None:
    """A look after so many minutes."""
    for page in RepoPage.objects.filter(ended_at=None):
        RepoPage.objects.filter(pk=page.pk).update(seen_at=page.seen_at - timedelta(minutes=minutes))
    watch.look()
    deliver()


def halt(repo: Repo, key: str = "rollback-7") -> None:
    halts.halt_repos([repo], key, reason="flows failed", actor="sre")


def test_a_halt_pages_the_repo_s_own_service_once_and_its_end_ends_the_page(repo, received):
    other = scenes.make_repo("without-a-service")
    halt(repo)
    halt(other)
    for _ in range(3):
        watch.look()
        deliver()
    assert list_pages(received) == [
        ("error", "billing is switched off by rollback-7: flows failed", ["trigger"])
    ]
    (page,) = received.pages.values()
    assert page["routing_key"] == KEY
    halts.end_halt(repo, "rollback-7", actor="sre")
    for _ in range(2):
        watch.look()
        deliver()
    assert page["events"] == ["trigger", "resolve"]
    # The next halt is another page.
    halt(repo, "rollback-8")
    watch.look()
    deliver()
    assert [one["events"] for one in received.pages.values()] == [["trigger", "resolve"], ["trigger"]]


def test_a_repo_whose_flows_fail_is_one_page_until_they_were_well_for_a_while(repo, received):
    for _ in range(3):
        fail_flow(repo)
    watch.look()
    assert not RepoPage.objects.exists(), "of three flows nothing is said"
    fail_flow(repo)
    scenes.run_through(scenes.make_flow(repo))
    watch.look()
    deliver()
    assert list_pages(received) == [
        ("error", "4 of the 5 flows of billing in the last hour failed.", ["trigger"])
    ]
    for _ in range(4):
        scenes.run_through(scenes.make_flow(repo))
    # Better, and perhaps only for a moment.
    look_later(5)
    assert list_pages(received)[0][2] == ["trigger"]
    look_later(11)
    assert list_pages(received)[0][2] == ["trigger", "resolve"]


def fail_flow(repo: Repo) -> None:
    flow = scenes.make_flow(repo)
    scenes.fail_stage(scenes.start_stage(flow.stages.get(status="ready")), ("x:y", "It failed.", "Look."))


def test_a_spent_budget_pages_and_a_wait_for_a_provider_does_not(repo, received):
    first, second = scenes.make_flow(repo), scenes.make_flow(repo)
    scenes.park_stage(scenes.start_stage(first.stages.get(status="ready")), "no room", provider="google")
    watch.look()
    assert not RepoPage.objects.exists()
    scenes.park_stage(scenes.start_stage(second.stages.get(status="ready")), "spent", provider=REPO_BUDGET)
    watch.look()
    deliver()
    ((severity, summary, events),) = list_pages(received)
    assert (severity, events) == ("warning", ["trigger"])
    assert "billing has spent its budget" in summary


def test_what_is_over_before_it_was_sent_pages_nobody(repo, received):
    halt(repo)
    watch.look()
    halts.end_halt(repo, "rollback-7", actor="sre")
    watch.look()
    deliver()
    assert "trigger" not in [event for one in received.pages.values() for event in one["events"]]


def test_what_is_tried_again_after_the_end_pages_nobody(repo, received):
    halt(repo)
    watch.look()
    received.refuse_next.append((503, ""))
    deliver()
    halts.end_halt(repo, "rollback-7", actor="sre")
    watch.look()
    # The end goes first, as the pauses of the outbox have it.
    for row in Notification.objects.order_by("-id"):
        Notification.objects.filter(pk=row.pk).update(not_before=None)
        delivery.deliver(row.pk)
    assert [one["events"] for one in received.pages.values()] == [["resolve"]]


def test_a_key_that_was_rotated_is_taken_from_the_state_at_the_moment_of_sending(repo, received):
    halt(repo)
    watch.look()
    received.routing_keys = {KEY[::-1]}
    keep_state(repo, KEY[::-1])
    deliver()
    assert list_pages(received)[0][2] == ["trigger"]


def test_a_service_that_is_gone_is_not_paged_and_not_asked_to_end_anything(repo, received):
    halt(repo)
    watch.look()
    TerraformState.objects.all().delete()
    deliver()
    given_up = Notification.objects.get(notifier=watch.NOTIFIER)
    assert (given_up.status, "no service in PagerDuty" in given_up.error_message) == ("given_up", True)
    watch.look()
    deliver()
    assert received.pages == {}
    assert not RepoPage.objects.filter(ended_at=None).exists()
    assert not Notification.objects.exclude(status__in=["given_up", "sent"]).exists()


def test_pagerduty_is_away_and_the_page_comes_later_once(repo, received):
    halt(repo)
    watch.look()
    received.refuse_next.append((503, ""))
    deliver()
    assert received.pages == {}
    Notification.objects.update(not_before=None)
    deliver()
    watch.look()
    deliver()
    assert [one["events"] for one in received.pages.values()] == [["trigger"]]


def test_the_key_is_nowhere_in_clear(repo, received):
    halt(repo)
    watch.look()
    deliver()
    kept: list[Any] = list(Notification.objects.values()) + list(RepoPage.objects.values())
    assert KEY not in str(kept)
    assert KEY.encode() not in bytes(TerraformState.objects.get().sealed or b"")


@pytest.mark.django_db(transaction=True)
def test_two_looks_at_the_same_moment_begin_one_page(repo, received):
    halt(repo)
    at_once = threading.Barrier(3)

    def look() -> None:
        at_once.wait()
        watch.look()
        connection.close()

    threads = [threading.Thread(target=look) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    deliver()
    assert RepoPage.objects.count() == 1
    assert [one["events"] for one in received.pages.values()] == [["trigger"]]
    assert timezone.now() > RepoPage.objects.get().begun_at
