"""Nothing comes back by itself: real processes that die and start again before, during and after a halt."""

import os
import signal
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import httpx2
import pytest
from django.utils import timezone

from orchestrator.child_processes import ChildProcess
from orchestrator.dev import embedded
from orchestrator.dev.receivers import Receivers
from orchestrator.flows.models import Flow
from orchestrator.ops.incidents.models import Incident
from orchestrator.ops.rollback.models import Rollback, TriggerDecision, TriggerState
from orchestrator.repos import tokens
from tests import scenes
from tests.flows.engine.stack import Stack, running, until

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True), pytest.mark.timeout(900)]
TRIGGER = "failure-rate"


class HaltedProcesses:
    """The processes that a halt concerns: dispatcher, worker of the control queue, web."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.url = f"http://127.0.0.1:{embedded.find_free_port()}"
        self.processes: list[ChildProcess] = []
        self._secrets: dict[str, str] = {}

    def start(self) -> None:
        """Start all of them."""
        port = self.url.rpartition(":")[2]
        web = [sys.executable, "-m", "uvicorn", "orchestrator.asgi:application", "--port", port]
        self.processes = [
            self.stack.dispatcher(),
            self.stack.worker("control", "control"),
            self.stack.start("web", *web, "--ws", "none", "--lifespan", "off"),
        ]
        until(self._answers, "the web process")

    def kill(self) -> None:
        """kill -9 of every process and its children."""
        for process in self.processes:
            kill(process)
        self.processes = []

    def restart(self) -> None:
        """All of them die, and the broker loses what it held."""
        self.kill()
        self.stack.restart_broker()
        self.start()

    def ask(self, method: str, path: str, body: Any = None, *, person: str = "sre") -> httpx2.Response:
        """A request with an operator's token of ``person``."""
        if person not in self._secrets:
            self._secrets[person] = tokens.create_token(person)[1]
        headers = {"Authorization": f"Bearer {self._secrets[person]}"}
        return httpx2.request(method, f"{self.url}/api/v1/{path}", json=body, headers=headers, timeout=60)

    def _answers(self) -> bool:
        try:
            return httpx2.get(f"{self.url}/health").is_success
        except httpx2.HTTPError:
            return False


def kill(process: ChildProcess) -> None:
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(60)


@pytest.fixture
def receivers() -> Iterator[Receivers]:
    with Receivers() as started:
        yield started


@pytest.fixture
def deployment(receivers, tmp_path) -> Iterator[HaltedProcesses]:
    environment = {
        "PILOT_REPOS": "compliance-service",
        "ROLLBACK_DRY_RUN": "off",
        "ROLLBACK_QUOTA": "off",
        "ROLLBACK_CONNECTIONS": "off",
        "PAGERDUTY_EVENTS_URL": f"{receivers.url}/pagerduty/v2/enqueue",
        "PAGERDUTY_ROUTING_KEY": "commander-key",
    }
    with running(tmp_path, environment) as stack:
        yield HaltedProcesses(stack)


def has_looked(times: int) -> bool:
    """Whether so many looks in a row found the figure beyond its limit."""
    return TriggerState.objects.filter(name=TRIGGER, beyond=times).exists()


def has_looked_since(at: datetime) -> bool:
    return TriggerState.objects.filter(name=TRIGGER, checked_at__gt=at).exists()


def wait_for_looks(count: int) -> TriggerState:
    """The state after so many more looks of a dispatcher, which come every 15 seconds."""
    for _ in range(count):
        before = TriggerState.objects.get(name=TRIGGER).checked_at
        until(partial(has_looked_since, before), "a look")
    return TriggerState.objects.get(name=TRIGGER)


def list_decisions() -> list[str]:
    return list(TriggerDecision.objects.values_list("decision", flat=True))


def test_a_halt_outlives_every_process_until_people_end_it(deployment, receivers):
    scenes.make_repo("compliance-service")
    for _ in range(10):
        scenes.run_through(scenes.make_flow(scenes.make_repo("auth-service")), gates_fail=True)
    # The dispatcher dies after each look. What it has seen is kept, and begins nothing too early.
    for looks in (1, 2):
        dispatcher = deployment.stack.dispatcher()
        until(partial(has_looked, looks), "a look")
        kill(dispatcher)
        assert not Rollback.objects.exists()
    deployment.start()
    until(lambda: Rollback.objects.filter(status="in_force").exists(), "the rollback")
    until(lambda: receivers.received.pages, "the page")
    assert list_decisions() == ["acted"]

    # Everything dies, and the failures leave the hour: nothing speaks for the halt any longer but the halt.
    deployment.kill()
    Flow.objects.filter(status="failed").update(finished_at=timezone.now() - timedelta(hours=2))
    deployment.restart()
    assert wait_for_looks(2).verdict == "not_enough_data"
    standing = deployment.ask("GET", "rollback/").json()
    assert [one["status"] for one in standing["rollbacks"]] == ["in_force"]
    assert not standing["onboarding_open"]
    assert deployment.ask("GET", "repos/auth-service/config/").json()["enabled"] is False
    request = {"repo": "auth-service", "feature_request": "# A feature"}
    refused = deployment.ask("POST", "flows/", request)
    assert (refused.status_code, refused.json()["code"]) == (403, "repo:disabled")
    by_hand = deployment.ask("PUT", "repos/auth-service/config/", {"enabled": True})
    assert (by_hand.status_code, by_hand.json()["code"]) == (409, "repo:halted")
    new = deployment.ask("POST", "repos/", {"name": "new-service"})
    assert (new.status_code, new.json()["code"]) == (409, "onboarding:paused")

    # People end it, and the next restart does not begin it again.
    number = standing["rollbacks"][0]["id"]
    for role in ("pm", "tl", "sre"):
        vote = {"repo": "auth-service", "role": role, "verdict": "go"}
        assert deployment.ask("POST", f"rollback/{number}/votes/", vote, person=role).status_code == 201
    back = deployment.ask("POST", f"rollback/{number}/restore/", {"repo": "auth-service"})
    assert back.json()["status"] == "ended"
    deployment.restart()
    wait_for_looks(1)
    standing = deployment.ask("GET", "rollback/").json()
    assert [one["status"] for one in standing["rollbacks"]] == ["ended"]
    assert standing["onboarding_open"]
    assert deployment.ask("GET", "repos/auth-service/config/").json()["enabled"] is True
    assert list_decisions() == ["acted"]
    # One page for all of it, which only a person ends.
    assert [page["events"] for page in receivers.received.pages.values()] == [["trigger"]]
    assert Incident.objects.get().status == "open"
