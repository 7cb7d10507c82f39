"""Durations, times, amounts of money and percentages, for people."""

from datetime import UTC, datetime


def format_duration(value: float | None) -> str:
    """A duration for people: ``3.2s``, ``1m 04s``."""
    if value is None:
        return ""
    if value < 60:
        # Below zero where this machine's clock is behind the service's.
        return f"{max(value, 0):.1f}s"
    return f"{int(value // 60)}m {int(value % 60):02d}s"


def format_moment(text: str) -> str:
    """A time of the service in UTC, to the minute: ``2026-11-30 08:14 UTC``."""
    return f"{datetime.fromisoformat(text).astimezone(UTC):%F %R} UTC"


def format_usd(text: str) -> str:
    """An amount for people, to a hundredth of a cent; empty for nothing."""
    return f"${float(text):.4f}" if float(text) else ""


def format_percent(value: str | None) -> str:
    """``95.5 %``; empty for what was not measured."""
    return "" if value is None else f"{float(value):g} %"
