from datetime import UTC, datetime, timedelta

import pytest

from providers import base, failures, waits


@pytest.mark.parametrize(
    ("span", "expected"),
    [("17s", 17), ("6m0s", 360), ("120ms", 0.12), ("1h2m3.5s", 3723.5), ("soon", None), ("", None)],
)
def test_spans(span: str, expected: float | None) -> None:
    assert waits.parse_span(span) == expected


def test_what_is_asked_for_counts_before_a_reset() -> None:
    """A reset tells when the bucket is wholly full; a call fits long before."""
    headers = {
        "Retry-After": "3",
        "retry-after-ms": "4500",
        "anthropic-ratelimit-tokens-remaining": "0",
        "anthropic-ratelimit-tokens-reset": (datetime.now(UTC) + timedelta(seconds=40)).isoformat(),
        "anthropic-ratelimit-requests-remaining": "99",
        "anthropic-ratelimit-requests-reset": (datetime.now(UTC) + timedelta(hours=1)).isoformat(),
    }
    error = failures.error_from_status("anthropic", 429, "slow", headers=headers)
    assert isinstance(error, base.RateLimited)
    assert error.retry_after_seconds == 4.5


@pytest.mark.parametrize("value", ["-5", "Mon, 01 Jan 2001 00:00:00 GMT", "2001-01-01T00:00:00Z"])
def test_a_time_that_has_passed_is_no_wait(value: str) -> None:
    error = failures.error_from_status("openai", 429, "", headers={"retry-after": value})
    assert error.retry_after_seconds is None
    assert "named no usable time" in str(error)


def test_nonsense_is_ignored() -> None:
    headers = {
        "retry-after": "whenever",
        "x-ratelimit-reset-tokens": "?",
        "x-ratelimit-remaining-tokens": "0",
    }
    assert failures.error_from_status("openai", 429, "", headers=headers).retry_after_seconds is None


def test_an_empty_account_is_not_a_rate_limit() -> None:
    error = failures.error_from_status(
        "openai", 429, "You exceeded your current quota", codes=["insufficient_quota"], headers={}
    )
    assert isinstance(error, base.AccountExhausted)
    assert not error.retryable


@pytest.mark.parametrize("value", ["7200", "2592000", "720h", "1d2h"])
def test_a_wait_that_a_vendor_names_is_bounded(value: str) -> None:
    error = failures.error_from_status("openai", 429, "slow down", headers={"retry-after": value})
    assert error.retry_after_seconds == waits.LONGEST_WAIT_SECONDS


@pytest.mark.parametrize("value", ["inf", "-inf", "nan", "1e999", "Mon, 99 Foo 99999 99:99:99 GMT"])
def test_what_is_not_a_time_is_not_a_wait(value: str) -> None:
    error = failures.error_from_status("openai", 429, "slow down", headers={"retry-after": value})
    assert error.retry_after_seconds is None


@pytest.mark.parametrize("scale", [1, 1000])
def test_time_of_a_reset_since_1970_is_read_as_a_time(scale: int) -> None:
    reset = (datetime.now(UTC) + timedelta(seconds=90)).timestamp() * scale
    headers = {"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": f"{reset:.0f}"}
    error = failures.error_from_status("openai", 429, "slow down", headers=headers)
    assert error.retry_after_seconds is not None
    assert 85 <= error.retry_after_seconds <= 91
