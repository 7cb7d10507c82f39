"""``?wait=``: the answer comes at the end of the flow, or when the time is over."""

import json

import pytest
from asgiref.sync import async_to_sync, sync_to_async

from orchestrator.flows.api import event_reader, follower_seats, waiting
from tests import scenes
from tests.rest.test_create import read_problem

URL = "/api/v1/flows/"


@pytest.fixture(autouse=True)
def quick(monkeypatch) -> None:
    monkeypatch.setattr(waiting, "KEEP_ALIVE_SECONDS", 0.01)
    monkeypatch.setattr(event_reader, "POLL_SECONDS", 0.0)


def test_the_answer_comes_when_the_flow_has_ended(api, repo):
    flow = scenes.make_flow(repo)
    answer = api.get(f"{URL}{flow.pk}/?wait=60&fields=id,status,url")
    assert (answer.status_code, answer["Content-Type"], "ETag" in answer) == (200, "application/json", False)
    assert follower_seats.seats.count() == 1

    async def wait() -> bytes:
        parts = aiter(answer)
        # White space keeps the connection alive.
        assert await anext(parts) == b" "
        await sync_to_async(scenes.cancel_flow)(flow)
        return b"".join([part async for part in parts])

    expected = {"id": flow.pk, "status": "cancelled", "url": f"http://testserver{URL}{flow.pk}/"}
    assert json.loads(async_to_sync(wait)()) == expected
    answer.close()
    assert follower_seats.seats.count() == 0


def test_the_answer_comes_when_the_time_is_over(repo, monkeypatch):
    flow = scenes.make_flow(repo)
    seat = follower_seats.seats.take("somebody")
    stream = waiting.WaitingAnswer(flow.pk, 0, lambda: b"{}", seat)

    async def wait() -> bytes:
        return b"".join([part async for part in stream])

    assert async_to_sync(wait)() == b"{}"
    stream.close()


def test_a_flow_that_has_ended_is_answered_at_once(api, repo):
    flow = scenes.run_through(scenes.make_flow(repo))
    answer = api.get(f"{URL}{flow.pk}/?wait=60")
    assert answer.json()["status"] == "passed"
    assert answer["ETag"]
    assert api.get(f"{URL}{scenes.make_flow(repo).pk}/?wait=0").json()["status"] == "pending"


@pytest.mark.parametrize("wait", ["61", "-1", "a", "1.5", ""])
def test_a_time_that_is_not_offered_is_refused(api, repo, wait):
    flow = scenes.make_flow(repo)
    read_problem(api.get(f"{URL}{flow.pk}/?wait={wait}"), 400, "request:invalid-filter")


def test_who_waits_takes_the_seat_of_a_follower(api, repo, settings):
    settings.FOLLOWERS_PER_TOKEN = 0
    flow = scenes.make_flow(repo)
    read_problem(api.get(f"{URL}{flow.pk}/?wait=5"), 429, "events:too-many-followers")
