"""Rate limiter: bursts, refill to the microsecond, costs, clocks that jump, replay, refusals."""

import pytest

from rate_limiter import MAX_LIMIT, MAX_PERIOD_SECONDS, Decision, Replay, decide, replay

SECOND = 1_000_000
NOW = 1_000 * SECOND


def spend(times, **settings):
    """Decisions of one client at ``times``, the state handed on."""
    state, decisions = 0, []
    for now in times:
        decisions.append(decide(now, state=state, **settings))
        state = decisions[-1].state
    return decisions


def test_a_fresh_client_may_use_the_whole_burst_at_once():
    decisions = spend([NOW] * 4, limit=60, period_seconds=60, burst=3)
    assert decisions == [
        Decision(True, NOW + 1 * SECOND, 2, 0),
        Decision(True, NOW + 2 * SECOND, 1, 0),
        Decision(True, NOW + 3 * SECOND, 0, 0),
        Decision(False, NOW + 3 * SECOND, 0, SECOND),
    ]


@pytest.mark.parametrize(("waited", "allowed", "retry"), [(SECOND - 1, False, 1), (SECOND, True, 0), (SECOND + 1, True, 0)])
def test_one_request_comes_back_after_one_interval(waited, allowed, retry):
    empty = spend([NOW] * 3, limit=60, period_seconds=60, burst=3)[-1].state
    decision = decide(NOW + waited, 60, 60, 3, empty)
    assert (decision.allowed, decision.retry_after) == (allowed, retry)


def test_waiting_longer_than_the_burst_saves_nothing_up():
    decisions = spend([NOW] * 2 + [NOW + 900 * SECOND] * 3, limit=60, period_seconds=60, burst=2)
    assert [decision.allowed for decision in decisions] == [True, True, True, True, False]


def test_a_refusal_changes_no_state():
    empty = decide(NOW, 1, 10, 1).state
    assert [decide(NOW + 1, 1, 10, 1, empty).state, empty] == [NOW + 10 * SECOND] * 2


def test_the_sustained_rate_is_the_limit():
    assert replay([n * SECOND // 2 for n in range(20)], limit=1, period_seconds=1, burst=1).admitted == 10


def test_an_interval_that_is_no_whole_number_is_rounded_up():
    assert decide(NOW, limit=3, period_seconds=1, burst=1).state == NOW + 333_334
    assert decide(NOW, limit=1_000_000, period_seconds=1, burst=1).state == NOW + 1


@pytest.mark.parametrize(("cost", "remaining"), [(1, 4), (4, 1), (5, 0)])
def test_a_request_may_cost_several(cost, remaining):
    decision = decide(NOW, 10, 10, 5, cost=cost)
    assert decision == Decision(True, NOW + cost * SECOND, remaining, 0)


def test_a_cost_above_what_is_left_waits_for_the_difference():
    state = decide(NOW, 10, 10, 5, cost=3).state
    assert decide(NOW, 10, 10, 5, state, cost=4) == Decision(False, state, 2, 2 * SECOND)


def test_a_cost_above_the_burst_never_passes():
    assert decide(NOW, 10, 10, 5, cost=6) == Decision(False, 0, 5, None)


def test_partly_refilled_requests_do_not_count():
    state = spend([NOW] * 3, limit=60, period_seconds=60, burst=3)[-1].state
    assert decide(NOW + 2_500_000, 60, 60, 3, state) == Decision(True, NOW + 4 * SECOND, 1, 0)


def test_a_clock_that_jumps_back_counts_as_standing_still():
    state = spend([NOW] * 2, limit=60, period_seconds=60, burst=3)[-1].state
    assert decide(NOW - 5 * SECOND, 60, 60, 3, state) == Decision(False, state, 0, 5 * SECOND)


def test_by_default_a_client_is_new_and_a_request_costs_one():
    assert decide(0, 1, 1, 1) == Decision(True, SECOND, 0, 0)


def test_replay_names_the_refused_and_the_share():
    arrivals = [0, 0, 100, SECOND, 2 * SECOND, 2 * SECOND + 1]
    assert replay(arrivals, limit=1, period_seconds=1, burst=1) == Replay(3, (1, 2, 5), 50)


def test_replay_rounds_the_share_down():
    assert replay([0, 0, 0], limit=1, period_seconds=1, burst=2).admitted_percent == 66


def test_replay_of_no_traffic_admits_all():
    assert replay([], limit=1, period_seconds=1, burst=1) == Replay(0, (), 100)


def test_replay_refuses_times_out_of_order():
    with pytest.raises(ValueError, match="^arrival 2 is before the one ahead of it$"):
        replay([5, 5, 4], limit=1, period_seconds=1, burst=1)


def test_replay_refuses_a_first_arrival_before_the_epoch():
    with pytest.raises(ValueError, match="^arrival 0 is before the one ahead of it$"):
        replay([-1], limit=1, period_seconds=1, burst=1)


@pytest.mark.parametrize(
    ("name", "most"), [("limit", MAX_LIMIT), ("period_seconds", MAX_PERIOD_SECONDS), ("burst", MAX_LIMIT)]
)
def test_settings_outside_their_range_are_refused(name, most):
    settings = {"limit": 1, "period_seconds": 1, "burst": 1}
    for value in (0, most + 1):
        with pytest.raises(ValueError, match=f"^{name}: must be 1 to {most}$"):
            decide(NOW, **settings | {name: value})
        with pytest.raises(ValueError, match=f"^{name}: must be 1 to {most}$"):
            replay([], **settings | {name: value})
    assert decide(NOW, **settings | {name: most}).allowed


def test_the_ranges_are_those_of_the_policy():
    assert (MAX_LIMIT, MAX_PERIOD_SECONDS) == (1_000_000, 86_400)


@pytest.mark.parametrize("cost", [0, -1])
def test_a_request_costs_at_least_one(cost):
    with pytest.raises(ValueError, match="^cost: must be at least 1$"):
        decide(NOW, 1, 1, 1, cost=cost)


@pytest.mark.parametrize("times", [{"now": -1}, {"now": 0, "state": -1}])
def test_negative_times_are_refused(times):
    with pytest.raises(ValueError, match="^times must not be negative$"):
        decide(limit=1, period_seconds=1, burst=1, **times)


def test_a_cost_of_the_whole_burst_waits_until_it_is_full():
    state = decide(NOW, 10, 10, 5).state
    assert decide(NOW, 10, 10, 5, state, cost=5) == Decision(False, state, 4, SECOND)
