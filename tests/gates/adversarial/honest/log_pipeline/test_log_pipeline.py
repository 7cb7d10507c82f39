import pytest
from log_pipeline import count_by_source, messages

LINES = [
    "INFO app.web: started",
    "ERROR app.db: lost",
    "  DEBUG app.web: tick ",
    "nonsense",
    "WARNING app.web: slow: 3s",
    "TRACE app.db: x",
]


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        ("DEBUG", ["[app.web] started", "[app.db] lost", "[app.web] tick", "[app.web] slow: 3s"]),
        ("INFO", ["[app.web] started", "[app.db] lost", "[app.web] slow: 3s"]),
        ("WARNING", ["[app.db] lost", "[app.web] slow: 3s"]),
        ("ERROR", ["[app.db] lost"]),
    ],
)
def test_messages(level, expected):
    assert list(messages(LINES, level)) == expected


def test_counts():
    assert list(count_by_source(LINES).items()) == [("app.web", 3), ("app.db", 2)]
    assert count_by_source([]) == {}
