import pytest
from rate_limiter import TokenBucket


class FakeClock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def make_clock(seconds):
    clock = FakeClock()
    clock.now = seconds
    return clock


@pytest.fixture
def clock():
    return FakeClock()


def test_burst_then_refill(clock):
    bucket = TokenBucket(2, 3, clock)
    assert [bucket.allow() for _ in range(4)] == [True, True, True, False]
    clock.now = 0.5
    assert bucket.allow() is True
    assert bucket.allow() is False


def test_never_more_than_capacity(clock):
    bucket = TokenBucket(10, 2, clock)
    clock.now = 100
    assert [bucket.allow() for _ in range(3)] == [True, True, False]


def test_cost(clock):
    bucket = TokenBucket(1, 5, clock)
    assert bucket.allow(5) is True
    assert bucket.allow(1) is False
    assert bucket.wait_time(3) == 3.0
    clock.now = 2
    assert bucket.wait_time(3) == 1.0
    assert bucket.wait_time(2) == 0.0
    clock.now = 4
    assert bucket.wait_time(1) == 0.0


@pytest.mark.parametrize(("rate", "capacity"), [(0, 1), (-1, 1), (1, 0)])
def test_limits(clock, rate, capacity):
    with pytest.raises(ValueError, match="^rate and capacity must be positive$"):
        TokenBucket(rate, capacity, clock)
