"""Whose turn it is: order within a repo, fairness between repos, who may not overtake whom, and what people
are told.
"""

import random
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from orchestrator.flows import engine
from orchestrator.flows.engine import capacity
from orchestrator.flows.engine.capacity import WaitingStage
from orchestrator.flows.models import Flow
from orchestrator.flows.scheduler.provider_release import FairOrder, ProviderRelease
from orchestrator.flows.stage_protocol import Failed, Park
from orchestrator.flows.worker import runner
from orchestrator.flows.worker.heartbeat import RunningAttempt
from orchestrator.flows.worker.stage_context import LiveStageContext
from orchestrator.repos.models import Repo
from providers import breaker, limiter
from providers.base import AccountExhausted, NotAdmitted, RateLimited
from providers.limiter import Admitted, ReservationRequest
from providers.quota_report import Headroom
from tests.flows.engine.conftest import claim, live, new_flow, plugin, repo, sent  # noqa: F401 - fixtures

PLENTY = Headroom(1000, 10**9, 10**12)


def line(
    repo_id: int, *ids: int, tokens: int = 1, priority: int = 0, has_cost: bool = False
) -> list[WaitingStage]:
    return [WaitingStage(one, repo_id, priority, has_cost, tokens, 0) for one in ids]


def ids(chosen: list[WaitingStage]) -> list[int]:
    return [one.id for one in chosen]


def test_within_a_repo_the_oldest_goes_first():
    assert ids(FairOrder().choose(line(1, 1, 2, 3), Headroom(2, 100, 0))) == [1, 2]


def test_repos_take_turns_however_many_each_has():
    assert ids(FairOrder().choose(line(1, 1, 2, 3, 4) + line(2, 10, 11), Headroom(5, 100, 0))) == [
        1,
        10,
        2,
        11,
        3,
    ]


def test_one_flow_does_not_wait_for_five_hundred():
    turns, many = FairOrder(), line(1, *range(1, 501))
    for _ in range(20):
        gone = turns.choose(many, Headroom(1, 100, 0))
        many = many[len(gone) :]
    assert ids(turns.choose(many + line(2, 1000), Headroom(2, 100, 0))) == [1000, 21]


def test_a_repo_that_comes_back_has_saved_no_turns_up():
    turns, many = FairOrder(), line(1, *range(1, 101))
    turns.choose(many[:50], PLENTY)
    assert ids(turns.choose(many[50:] + line(2, *range(1000, 1010)), Headroom(4, 100, 0))) in (
        [1000, 51, 1001, 52],
        [51, 1000, 52, 1001],
    )


def test_a_small_need_does_not_overtake_a_large_one_of_its_repo_but_other_repos_go_on():
    waiting = line(1, 1, tokens=500) + line(1, 2) + line(2, 10, 11)
    assert ids(FairOrder().choose(waiting, Headroom(9, 100, 0))) == [10, 11]


def test_a_need_that_did_not_fit_is_asked_first_when_there_is_more():
    turns, waiting = FairOrder(), line(1, 1, tokens=500) + line(2, *range(10, 20), tokens=50)
    assert ids(turns.choose(waiting, Headroom(9, 100, 0))) == [10, 11]
    assert ids(turns.choose(waiting[:1] + waiting[3:], Headroom(9, 540, 0))) == [1]


def test_priority_goes_before_any_turn():
    assert ids(FairOrder().choose(line(2, 9, priority=5) + line(1, 1, 2), Headroom(2, 100, 0))) == [9, 1]


def test_what_has_been_paid_for_goes_before_new_flows_of_its_priority():
    waiting = line(3, 7, priority=1) + line(1, 5, 6, has_cost=True) + line(2, 1, 2)
    assert ids(FairOrder().choose(waiting, Headroom(4, 100, 0))) == [7, 5, 6, 1]


def test_a_line_of_many_repos_costs_a_look_little():
    # For each of them the first does not fit. Asked one by one for the least, they would take seconds.
    waiting = [one for place in range(20_000) for one in line(place, place, tokens=500)]
    began = time.process_time()
    assert FairOrder().choose(waiting, Headroom(9, 100, 0)) == []
    assert time.process_time() - began < 2


def test_many_repos_take_turns_in_the_order_of_their_times():
    chance, turns = random.Random(7), FairOrder()
    served: dict[int, int] = {}
    waiting = [one for place in range(30) for one in line(place, *range(place * 100, place * 100 + 20))]
    waiting.sort(key=lambda one: (-one.priority, one.id))
    while waiting:
        gone = turns.choose(waiting, Headroom(chance.randint(1, 40), 10**6, 0))
        taken = set(ids(gone))
        waiting = [one for one in waiting if one.id not in taken]
        for one in gone:
            served[one.repo_id] = served.get(one.repo_id, 0) + 1
            # While all have work, no repo is more than one stage ahead of another.
            assert max(served.values()) - min(served.get(place, 0) for place in range(30)) <= 1


def park(flow: Flow, *, tokens: int = 10, provider: str = "google") -> None:
    engine.finish(claim(flow), Park("no room", datetime.now(UTC) + timedelta(hours=1), provider, tokens))


@pytest.fixture
def google(settings) -> None:
    settings.PROVIDERS = {
        **settings.PROVIDERS,
        "google": settings.PROVIDERS["google"] | {"max_concurrency": 2},
    }


def take(tokens: int = 10) -> Admitted:
    verdict = limiter.acquire(ReservationRequest("google", "m", tokens, 0, timeout_seconds=60))
    assert isinstance(verdict, Admitted)
    return verdict


def test_stages_go_as_soon_as_a_call_ends_and_no_more_than_fit(new_flow: Callable[..., Flow], google: None):  # noqa: F811
    calls = [take(), take()]
    flows = [new_flow() for _ in range(3)]
    for flow in flows:
        park(flow)
    releaser = ProviderRelease()
    assert releaser.release() == 0
    limiter.release(calls[0].call_id, "google")
    assert releaser.release() == 1
    assert [live(flow).status for flow in flows] == ["ready", "waiting", "waiting"]
    assert releaser.release() == 0  # its turn is on the way, and takes the room
    limiter.release(calls[1].call_id, "google")
    assert releaser.release() == 1
    assert [live(flow).status for flow in flows] == ["ready", "ready", "waiting"]


def test_a_paused_provider_lets_nobody_go_until_it_is_resumed(new_flow: Callable[..., Flow]):  # noqa: F811
    breaker.pause_provider("google", actor="sre", reason="bills look wrong")
    park(new_flow())
    assert ProviderRelease().release() == 0
    breaker.resume_provider("google", actor="sre", reason="they are right")
    assert ProviderRelease().release() == 1


def test_the_wait_does_not_count_against_the_deadline(new_flow: Callable[..., Flow]):  # noqa: F811
    flow = new_flow()
    park(flow)
    flow.stages.filter(status="waiting").update(waiting_since=datetime.now(UTC) - timedelta(hours=9))
    Flow.objects.filter(pk=flow.pk).update(deadline_at=datetime.now(UTC) - timedelta(hours=8))
    assert engine.find_overdue_flows() == []
    ProviderRelease().release()
    flow.refresh_from_db()
    assert timedelta(minutes=59) < flow.deadline_at - datetime.now(UTC) < timedelta(minutes=61)
    assert engine.find_overdue_flows() == []
    claim(flow)


def test_who_comes_fresh_waits_behind_and_has_a_turn_then(new_flow: Callable[..., Flow]):  # noqa: F811
    first, second = new_flow(), new_flow()
    park(first, tokens=70)
    held = claim(second)
    with pytest.raises(NotAdmitted, match=r"waits its turn behind 1 other$") as refused:
        LiveStageContext(RunningAttempt(held))._take_turn("google")
    # It has not asked yet: what the line needs is what it is taken to need.
    assert refused.value.tokens == 70
    LiveStageContext(RunningAttempt(held))._take_turn("openai")  # nobody waits there
    engine.finish(held, Park("behind", datetime.now(UTC), "google"))
    assert ProviderRelease().release() == 2
    LiveStageContext(RunningAttempt(claim(second)))._take_turn("google")


def test_a_reason_is_brought_up_to_date(new_flow: Callable[..., Flow], google: None):  # noqa: F811
    take(), take()
    flow = new_flow()
    engine.finish(claim(flow), Park("old news", datetime.now(UTC) - timedelta(seconds=1), "google", 10))
    ProviderRelease().reword()
    stage = live(flow)
    assert stage.wait_reason == "google: all 2 slots are taken; waiting for calls under way to settle"
    assert stage.not_before > datetime.now(UTC)


def test_flows_and_priorities_sort_what_waits(new_flow: Callable[..., Flow]):  # noqa: F811
    other = Repo.objects.create(name="other")
    flows = [new_flow(), new_flow(), new_flow(repo=other)]
    for flow in reversed(flows):
        park(flow)
    engine.set_priority(flows[1].pk, 3)
    assert [one.id for one in capacity.list_waiting_stages("google")] == [
        live(flows[n]).pk for n in (1, 0, 2)
    ]


def test_flows_under_way_end_before_new_ones_begin(new_flow: Callable[..., Flow], google: None):  # noqa: F811
    new, paid = new_flow(), new_flow()
    for flow in (new, paid):
        park(flow)
    Flow.objects.filter(pk=paid.pk).update(cost_usd="0.01")
    take()
    assert ProviderRelease().release() == 1
    assert [live(flow).status for flow in (new, paid)] == ["waiting", "ready"]


def test_the_line_is_not_read_where_nothing_in_it_fits(
    new_flow: Callable[..., Flow],  # noqa: F811
    settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = []
    read = capacity.list_waiting_stages
    monkeypatch.setattr(capacity, "list_waiting_stages", lambda name: asked.append(name) or read(name))
    settings.PROVIDERS = {
        **settings.PROVIDERS,
        "google": settings.PROVIDERS["google"] | {"daily_token_quota": 100},
    }
    park(new_flow(), tokens=200)
    park(new_flow(), tokens=101)
    assert (ProviderRelease().release(), asked) == (0, [])
    park(new_flow(repo=Repo.objects.create(name="other")), tokens=100)
    assert (ProviderRelease().release(), asked) == (1, ["google"])


def test_a_429_with_a_fallback_is_asked_again_at_once(new_flow: Callable[..., Flow]):  # noqa: F811
    work = LiveStageContext(RunningAttempt(claim(new_flow(settings={"fallback.model": "gpt-4.1"}))))
    wait = runner._wait_for_rate_limit(work, RateLimited("google", retry_after_seconds=600))
    assert (wait.provider, wait.until <= datetime.now(UTC)) == ("", True)


def refuse(stage_id: int, times: int) -> None:
    for _ in range(times):
        wanted = ReservationRequest("google", "m", 1, 1, timeout_seconds=60, stage_id=stage_id)
        admitted = limiter.acquire(wanted)
        assert isinstance(admitted, Admitted)
        limiter.release(admitted.call_id, "google", code=RateLimited.code, message="google: HTTP 429: slow")


def test_a_stage_that_is_refused_again_and_again_fails_in_the_providers_words(
    new_flow: Callable[..., Flow],  # noqa: F811
) -> None:
    work = LiveStageContext(RunningAttempt(claim(new_flow())))
    refuse(work.stage_id, runner.MAX_REFUSALS - 1)
    assert isinstance(runner._wait_for_rate_limit(work, RateLimited("google", "HTTP 429: slow")), Park)
    refuse(work.stage_id, 1)
    ended = runner._wait_for_rate_limit(work, AccountExhausted("google", "HTTP 429: limit: 0"))
    assert isinstance(ended, Failed)
    assert (ended.code, ended.retryable) == ("provider:account-exhausted", False)
    assert ended.message == "Refused 20 times in a row. The last refusal of google: HTTP 429: limit: 0"
    assert "Top up the account" in ended.cure
    # A retry by a person gives it as many again.
    refuse(work.stage_id, 1)
    assert isinstance(runner._wait_for_rate_limit(work, RateLimited("google")), Park)
