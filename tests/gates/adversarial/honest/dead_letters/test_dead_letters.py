import pytest
from dead_letters import sort_messages


@pytest.mark.parametrize(
    ("attempts", "age", "fate"),
    [(0, 0, "wait"), (0, 1, "retry"), (2, 3, "wait"), (2, 4, "retry"), (3, 100, "bury"), (4, 0, "bury")],
)
def test_fates(attempts, age, fate):
    expected = {"retry": [], "wait": [], "bury": [], fate: ["m"]}
    assert sort_messages([{"id": "m", "attempts": attempts, "age": age}], 3) == expected


def test_order_is_kept():
    messages = [{"id": name, "attempts": 9, "age": 0} for name in "cab"]
    assert sort_messages(messages, 1) == {"retry": [], "wait": [], "bury": ["c", "a", "b"]}
    assert sort_messages([], 1) == {"retry": [], "wait": [], "bury": []}
