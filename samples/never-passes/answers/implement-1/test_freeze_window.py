"""Freezes: edges, exempt teams, overlaps, the next day, refusals."""

from datetime import date, timedelta

import pytest

from freeze_window import Answer, freeze_window

FIRST, LAST = date(2026, 12, 18), date(2026, 12, 24)


def freeze(name="year end", first=FIRST, last=LAST, **more):
    return {"name": name, "first": first.isoformat(), "last": last.isoformat(), **more}


def frozen(day, *freezes, team=""):
    return freeze_window(freezes or (freeze(),), day, team).frozen


def test_without_freezes_every_day_is_free():
    assert freeze_window([], FIRST) == Answer(False, "", FIRST)


def test_the_edges_of_a_freeze():
    assert [frozen(FIRST + timedelta(days=n)) for n in (-1, 0, 5)] == [False, True, True]
    assert not frozen(LAST + timedelta(days=1))


def test_the_last_day_is_frozen():
    assert frozen(LAST)


def test_a_freeze_of_one_day():
    assert frozen(FIRST, freeze(last=FIRST))


def test_the_answer_on_the_first_day():
    assert freeze_window([freeze()], FIRST) == Answer(True, "year end", LAST + timedelta(days=1))


def test_exempt_teams_are_not_held_up():
    rules = freeze(exempt=["payments", "search"])
    assert not frozen(FIRST, rules, team="search")
    assert frozen(FIRST, rules, team="web")
    assert frozen(FIRST, freeze(exempt=None), team="web")


def test_of_several_the_first_in_the_list_is_named_and_all_are_waited_for():
    second = freeze("audit", date(2026, 12, 20), date(2027, 1, 10))
    answer = freeze_window([second, freeze()], date(2026, 12, 21))
    assert (answer.freeze, answer.next_day) == ("audit", date(2027, 1, 11))


def test_a_freeze_that_is_over_names_nothing():
    assert freeze_window([freeze()], date(2027, 1, 1)) == Answer(False, "", date(2027, 1, 1))


def test_a_freeze_that_ends_before_it_starts_is_refused():
    with pytest.raises(ValueError, match="^year end: ends before it starts$"):
        freeze_window([freeze(last=FIRST - timedelta(days=1))], FIRST)


def test_a_freeze_has_at_most_sixty_days():
    assert frozen(FIRST, freeze(last=FIRST + timedelta(days=59)))
    with pytest.raises(ValueError, match="^year end: longer than 60 days$"):
        freeze_window([freeze(last=FIRST + timedelta(days=60))], FIRST)


def test_names_are_unique():
    with pytest.raises(ValueError, match="^year end: listed twice$"):
        freeze_window([freeze(), freeze("b"), freeze()], FIRST)


def test_days_too_far_away_are_refused():
    assert not frozen(date(9000, 12, 31))
    with pytest.raises(ValueError, match="^day: 9001-01-01 is too far away$"):
        freeze_window([], date(9001, 1, 1))
