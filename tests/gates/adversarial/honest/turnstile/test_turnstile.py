import pytest
from turnstile import State, Turnstile, run


@pytest.mark.parametrize(
    ("events", "state", "passed"),
    [
        ([], State.LOCKED, 0),
        (["coin"], State.OPEN, 0),
        (["push"], State.LOCKED, 0),
        (["coin", "push"], State.LOCKED, 1),
        (["coin", "coin", "push", "push", "coin", "push"], State.LOCKED, 2),
        (["kick"], State.BROKEN, 0),
        (["kick", "coin"], State.BROKEN, 0),
        (["kick", "repair"], State.LOCKED, 0),
        (["coin", "kick"], State.OPEN, 0),
    ],
)
def test_run(events, state, passed):
    assert run(events) == {"state": state, "passed": passed}


def test_feed_returns_the_state():
    turnstile = Turnstile()
    assert turnstile.feed("coin") is State.OPEN
    assert [state.value for state in State] == ["locked", "open", "broken"]
