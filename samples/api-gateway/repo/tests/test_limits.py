from gateway.limits import WINDOW, WindowState, decide_fixed
from gateway.responses import too_many_requests
from gateway.store import MemoryStore


def test_a_new_window_starts_from_nothing():
    assert decide_fixed(WINDOW, 1, WindowState(0, 1)) == (True, WindowState(WINDOW, 1))


def test_swap_needs_the_old_value():
    store = MemoryStore()
    assert store.swap("a", 0, 5)
    assert not store.swap("a", 0, 6)


def test_seconds_are_rounded_up():
    assert too_many_requests(1)["Retry-After"] == "1"
