import pytest

from auth.attempts import Attempt, Attempts
from auth.audit import audit_line
from auth.login import log_in


def test_an_attempt_is_recorded():
    attempts = Attempts()
    assert not log_in("a", lambda: False, attempts, 7)
    assert attempts.of("a") == [Attempt(7, False)]


def test_unknown_events_are_refused():
    with pytest.raises(ValueError, match="event: unknown 'x'"):
        audit_line("a", 1, "x")
