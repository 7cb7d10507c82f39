"""The dashboards: each is read as its page reads it."""

from collections.abc import Iterator
from typing import Final

from orchestrator.ops.dashboards.description import DASHBOARDS
from orchestrator.ops.preflight.check_protocol import PHASES, ChecklistLine, LineAnswer, judge
from orchestrator.ops.preflight.readings import read_dashboard

_GRAFANA: Final = "https://grafana.company.com/d/"
_WORDS: Final = {
    "flowengine-roi": f"ROI Dashboard: {_GRAFANA}flowengine-roi",
    "flowengine-quality": f"Quality Dashboard: {_GRAFANA}flowengine-quality",
    "flowengine-slo": f"Reliability Dashboard: {_GRAFANA}flowengine-slo",
    "flowengine-adoption": f"Adoption Dashboard: {_GRAFANA}flowengine-adoption (new for Phase 6)",
    "flowengine-cost": f"Cost Breakdown Dashboard: {_GRAFANA}flowengine-cost (new for Phase 6)",
}


class DashboardsCheck:
    """Reads every figure of every dashboard."""

    section = "Dashboards Live"
    phases = PHASES
    lines = tuple(ChecklistLine(f"dashboard-{uid}", words) for uid, words in _WORDS.items())

    def look(self) -> Iterator[LineAnswer]:
        """A dashboard is live where all its figures can be read."""
        # By Grafana's name, which is in the address that the runbook has.
        known = {one.uid: one for one in DASHBOARDS}
        for uid in _WORDS:
            found = known.get(uid)
            words = "there is no such dashboard" if found is None else read_dashboard(found)
            cure = "Run `manage.py write_dashboards` and import deploy/grafana."
            yield judge(f"dashboard-{uid}", found is not None, words, cure)


CHECK = DashboardsCheck()
