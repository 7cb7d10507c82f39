"""Small bars add up."""

from decimal import Decimal

import pytest

from orchestrator.ops.dashboards.numbers import format_duration
from orchestrator.web.components import bars


def test_the_time_bar_is_whole_and_counts_gates_that_still_run():
    spent = {"wall_seconds": 100.0, "provider_seconds": 20.0, "gates_seconds": 10.0, "own_seconds": 70.0}
    parts = {part.name: part for part in bars.time_bar(spent, waited=30.0, judging=25.0)}
    assert [parts[name].width for name in ("models", "gates", "waiting", "orchestrator")] == [20, 35, 30, 15]
    assert (parts["gates"].x, parts["gates"].words) == (20, "35 s")
    assert sum(part.width for part in bars.time_bar(spent, waited=999.0, judging=999.0)) == 100


def test_bars_stay_within_their_frame():
    assert bars.score_bar(None, Decimal(60)) is None
    assert bars.score_bar(Decimal("120"), Decimal("-1")) == bars.Bar(100.0, 0.0)
    assert [share.width for share in bars.split_into_shares({"a": Decimal(0), "b": Decimal(0)})] == [0, 0]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.04, "0.0 s"), (9.94, "9.9 s"), (59.4, "59 s"), (185, "3 min 05 s"), (7800, "2 h 10 min")],
)
def test_durations_for_people(seconds, words):
    assert format_duration(seconds) == words
