"""Login lockout: counting, the window, growing lockouts, attempts while locked, refusals."""

import pytest

from login_lockout import MAX_DOUBLINGS, MAX_SECONDS, Lockout, Policy, login_lockout

SMALL = {"max_failures": 2, "window": 100, "lock": 10, "longest": 35}


def failed(*times):
    return [{"at": at, "success": False} for at in times]


def succeeded(at):
    return [{"at": at, "success": True}]


def test_an_account_that_nobody_tried():
    assert login_lockout([], 0) == Lockout(False, 0, 5, 0, 0, 0)


def test_by_default_the_fifth_failure_locks_for_a_minute():
    assert login_lockout(failed(1, 2, 3, 4), 4) == Lockout(False, 4, 1, 0, 0, 0)
    assert login_lockout(failed(1, 2, 3, 4, 5), 5) == Lockout(True, 0, 0, 60, 1, 0)


def test_by_default_failures_count_for_a_quarter_of_an_hour():
    assert login_lockout(failed(1), 900).failures == 1
    assert login_lockout(failed(1), 901).failures == 0


def test_by_default_a_lockout_lasts_at_most_an_hour():
    attempts = [{"at": n * 4000, "success": False} for n in range(9)]
    assert login_lockout(attempts, 32_000, max_failures=1).retry_after == 3600


@pytest.mark.parametrize(("now", "locked", "retry_after", "remaining"), [(2, True, 10, 0), (11, True, 1, 0), (12, False, 0, 2)])
def test_a_lockout_ends_to_the_second(now, locked, retry_after, remaining):
    assert login_lockout(failed(1, 2), now, **SMALL) == Lockout(locked, 0, remaining, retry_after, 1, 0)


@pytest.mark.parametrize(("second", "locked"), [(100, True), (101, False)])
def test_failures_further_apart_than_the_window_do_not_lock(second, locked):
    assert login_lockout(failed(1, second), second, **SMALL).locked is locked


@pytest.mark.parametrize(("now", "failures", "remaining"), [(100, 1, 1), (101, 0, 2)])
def test_old_failures_are_forgotten(now, failures, remaining):
    result = login_lockout(failed(1), now, **SMALL)
    assert (result.failures, result.remaining) == (failures, remaining)


def test_lockouts_double_up_to_the_longest():
    attempts = failed(0, 0, 10, 10, 30, 30, 65, 65)
    assert [login_lockout(attempts[:n], attempts[n - 1]["at"], **SMALL).retry_after for n in (2, 4, 6, 8)] == [10, 20, 35, 35]
    assert login_lockout(attempts, 65, **SMALL).lockouts == 4


def test_a_failure_while_locked_neither_counts_nor_prolongs():
    assert login_lockout(failed(0, 0, 3, 9), 9, **SMALL) == Lockout(True, 0, 0, 1, 1, 2)


def test_a_success_while_locked_is_turned_away():
    assert login_lockout(failed(0, 0) + succeeded(5), 5, **SMALL) == Lockout(True, 0, 0, 5, 1, 1)


def test_a_success_at_the_end_of_the_lockout_is_heard():
    assert login_lockout(failed(0, 0) + succeeded(10), 10, **SMALL) == Lockout(False, 0, 2, 0, 0, 0)


def test_a_success_forgives_failures_and_lockouts():
    assert login_lockout(failed(0) + succeeded(1) + failed(2), 2, **SMALL) == Lockout(False, 1, 1, 0, 0, 0)
    again = failed(0, 0) + succeeded(20) + failed(21, 22)
    assert login_lockout(again, 22, **SMALL) == Lockout(True, 0, 0, 10, 1, 0)


def test_an_attempt_counts_as_failed_unless_it_succeeded():
    assert login_lockout([{"at": 1, "success": None}], 1).failures == 1


def test_attempts_at_the_same_second_and_now_are_fine():
    assert login_lockout(failed(7, 7), 7).failures == 2


@pytest.mark.parametrize(("times", "number"), [((2, 1), 2), ((1, 5, 4), 3), ((-1,), 1)])
def test_attempts_out_of_order_are_refused(times, number):
    with pytest.raises(ValueError, match=f"^attempt {number}: before the one ahead of it$"):
        login_lockout(failed(*times), 100)


def test_attempts_later_than_now_are_refused():
    with pytest.raises(ValueError, match="^attempt 2: later than now$"):
        login_lockout(failed(1, 9), 8)


@pytest.mark.parametrize("value", [0, 101])
def test_the_number_of_failures_has_limits(value):
    with pytest.raises(ValueError, match="^max_failures: must be 1 to 100$"):
        login_lockout([], 0, max_failures=value)


@pytest.mark.parametrize("name", ["window", "lock", "longest"])
@pytest.mark.parametrize("value", [0, MAX_SECONDS + 1])
def test_times_have_limits(name, value):
    with pytest.raises(ValueError, match=f"^{name}: must be 1 to 86400 seconds$"):
        login_lockout([], 0, **{name: value})


def test_all_settings_may_be_at_their_limits():
    assert Policy(1, 1, 1, 1).seconds(1) == 1
    assert Policy(100, MAX_SECONDS, MAX_SECONDS, MAX_SECONDS).seconds(9) == 86_400


def test_doubling_stops_before_numbers_grow_huge():
    assert MAX_DOUBLINGS == 16
    assert [Policy(1, 1, 1, MAX_SECONDS).seconds(n) for n in (1, 2, 3, 17, 18, 5000)] == [1, 2, 4, 65_536, 65_536, 65_536]


def test_the_longest_lockout_is_not_below_the_first():
    with pytest.raises(ValueError, match="^longest: must not be below lock$"):
        login_lockout([], 0, lock=61, longest=60)
