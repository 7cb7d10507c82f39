from analytics.events import load
from analytics.report import page

LINES = ['{"user": "a", "day": "2026-03-02"}', '{"user": "a", "day": "2026-03-03"}', '{"user": "b", "day": "2026-03-03"}']


def test_the_page_of_a_day():
    assert page(load([*LINES, LINES[0]]), "2026-03-03") == "2026-03-03: 2 active, 1 new"
