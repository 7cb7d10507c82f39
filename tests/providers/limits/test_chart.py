"""The chart of a provider's last hours: what is little can be seen, and nothing is said to be nothing."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from providers import chart
from providers.quota_report import Hour

START = datetime(2026, 11, 23, tzinfo=UTC)


def drawn(*tokens: int) -> str:
    return chart.draw_hours(
        [Hour(START + timedelta(hours=n), used) for n, used in enumerate(tokens)], 2_000_000, 85
    )


@pytest.mark.parametrize("used", [1, 800, 2_000_000, 9_000_000])
def test_every_token_used_can_be_seen_and_none_leaves_the_picture(used):
    heights = [float(each) for each in re.findall(r'<rect [^>]*height="([\d.]+)"', drawn(0, used))]
    assert heights[:2] == [0, 0]
    assert all(2 <= height <= 140 for height in heights[2:])


def test_an_empty_chart_says_that_it_is_empty_and_has_a_ground():
    assert "No token was used." in drawn(0, 0)
    assert "No token was used." not in drawn(0, 5)
    assert 'y1="140" y2="140" stroke="currentColor"' in drawn(0, 0)
    assert "full height: 2,000,000 tokens; line: 85 %" in drawn(0, 0)
