import pytest
from retry_calls import RetryError, _retry, run_plan


@pytest.mark.parametrize(
    ("failures", "attempts", "expected"),
    [
        (0, 3, {"waits": [], "result": "done"}),
        (1, 3, {"waits": [2], "result": "done"}),
        (2, 3, {"waits": [2, 4], "result": "done"}),
        (3, 3, {"waits": [2, 4], "result": None}),
        (5, 1, {"waits": [], "result": None}),
    ],
)
def test_plan(failures, attempts, expected):
    assert run_plan(failures, attempts, 2) == expected


def test_keeps_name_and_arguments():
    @_retry(1, 0, lambda seconds: None)
    def add(a, b=1):
        """Adds."""
        return a + b

    assert add(2, b=3) == 5
    assert add.__name__ == "add"
    assert add.__doc__ == "Adds."


def test_other_errors_pass_through():
    @_retry(3, 0, lambda seconds: None)
    def broken():
        raise KeyError("x")

    with pytest.raises(KeyError):
        broken()


def test_message():
    @_retry(2, 0, lambda seconds: None)
    def broken():
        raise ConnectionError("x")

    with pytest.raises(RetryError, match="^gave up after 2 attempts$"):
        broken()
