import pytest
from retry_policy import GaveUp, call_with_retries


def make_function(failures):
    """Fails so often, then gives how often it was called."""
    calls = []

    def function():
        calls.append(1)
        if len(calls) <= failures:
            raise ConnectionError
        return len(calls)

    return function


def make_wait(_):
    return lambda seconds: None


@pytest.mark.parametrize(("failures", "waited"), [(0, []), (1, [1]), (3, [1, 2, 4])])
def test_succeeds(failures, waited):
    pauses = []
    assert call_with_retries(make_function(failures), 4, pauses.append) == failures + 1
    assert pauses == waited


def test_gives_up():
    pauses = []
    with pytest.raises(GaveUp, match="^3 attempts failed$"):
        call_with_retries(make_function(3), 3, pauses.append)
    assert pauses == [1, 2]


def test_other_errors_pass():
    def broken():
        raise KeyError

    with pytest.raises(KeyError):
        call_with_retries(broken, 3, make_wait(0))
