"""The launch runbook's dashboards and queries: each line has its panel, its target and its result."""

import re

import pytest
from django.contrib.auth.models import User

from orchestrator.ops.dashboards import grafana
from orchestrator.ops.dashboards.description import DASHBOARDS
from orchestrator.ops.dashboards.panels import PartsPanel, Target
from tests.ops.history import tell_deployment
from tests.ops.launch_runbook import find_runbook, parse_runbook, read_facts

FACTS = read_facts()
LINES = [(uid, words, goal) for uid, lines in FACTS["dashboards"].items() for words, goal in lines]
# The runbook's words for what our panels show.
PANELS = {
    "Repos onboarded": "Repos onboarded",
    "Flows executed": "Flows in all",
    "Active users": "Active users",
    "Flow success rate": "Success rate",
    "P95 latency": "P95 latency",
    "Model API uptime": "Model API uptime",
    "Daily spend": "Spend a day",
    "Cost by model": "Spend by model",
    "Cost by repo": "Spend by repo",
}


def test_the_facts_are_those_of_the_runbook():
    place = find_runbook()
    if place is None:
        pytest.skip("the launch runbook is not at hand: name it in LAUNCH_RUNBOOK")
    assert parse_runbook(place.read_text(encoding="utf-8")) == FACTS


def read_goal(words: str) -> tuple[float, bool] | None:
    """The last number of ``target: 10 → 50+`` or ``budget: $50/day``, and whether it is the least."""
    if not re.match("target|budget", words):
        return None
    *_, (sign, number) = re.findall(r"([<≥]?)\$?([\d.]+)", words)
    return float(number), sign != "<" and "$" not in words


@pytest.mark.parametrize(("uid", "words", "goal"), LINES, ids=[words for _, words, _ in LINES])
def test_a_line_of_a_dashboard_is_a_panel_with_its_target(uid, words, goal):
    (dashboard,) = [one for one in DASHBOARDS if one.uid == uid]
    (panel,) = [one for one in dashboard.panels if one.title == PANELS[words]]
    wanted = read_goal(goal)
    assert isinstance(panel, PartsPanel) == ("by" in words.split())
    if wanted is not None:
        assert isinstance(panel.target, Target)
        assert (panel.target.bound, panel.target.at_least) == wanted
    shipped = grafana.build_all()[f"{uid}.json"]["panels"]
    assert panel.title in {one["title"] for one in shipped}


@pytest.mark.parametrize("uid", FACTS["dashboards_live"])
def test_a_dashboard_of_the_runbook_shows_results_of_a_seeded_deployment(uid, client, db):
    tell_deployment(8)
    client.force_login(User.objects.create_superuser("sre", "sre@example.org", "not-used"))
    (dashboard,) = [one for one in DASHBOARDS if one.uid == uid]
    page = client.get(f"/dashboards/{dashboard.name}/").content.decode()
    assert f"renewed every {FACTS['refresh'].removesuffix('s')} seconds" in page
    assert "no data" not in page
    assert "Nothing in this period" not in page
    for words, _ in FACTS["dashboards"].get(uid, ()):
        assert f">{PANELS[words]}<" in page


def test_the_queries_of_the_runbook_answer_as_typed(prometheus):
    for title, query in FACTS["queries"].items():
        # A series without an end in the hour has no rate: 0 / 0.
        numbers = [value for _, value in prometheus.ask(query) if value == value]
        assert numbers, title
        assert all(value >= 0 for value in numbers), title
