from datetime import UTC, datetime

import stamped_notes
from stamped_notes import take_note


def test_given_time():
    assert take_note(" a ", datetime(2024, 2, 29, 23, 59, tzinfo=UTC)) == {
        "text": "a",
        "hour": "2024-02-29T23",
    }


def test_the_clock(monkeypatch):
    class Clock(datetime):
        @classmethod
        def now(cls, tz=None):
            assert tz is UTC
            return datetime(1999, 1, 2, 3, tzinfo=tz)

    monkeypatch.setattr(stamped_notes, "datetime", Clock)
    assert take_note("b") == {"text": "b", "hour": "1999-01-02T03"}
