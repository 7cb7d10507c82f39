from datetime import UTC, datetime, timedelta

from notify.message import Message
from notify.queue import after_failure, due
from notify.senders import fit

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)


def test_oldest_first():
    later = Message("b", "x", "t", NOW)
    assert due([later, Message("a", "x", "t", NOW - timedelta(1)), Message("c", "x", "t", NOW + timedelta(1))], NOW)[1] == later


def test_failures_count():
    assert after_failure(Message("a", "x", "t", NOW), NOW).failures == 1


def test_texts_are_cut():
    assert len(fit("sms", "x" * 200)) == 160
