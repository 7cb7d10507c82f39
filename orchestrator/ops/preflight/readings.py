"""What more than one check reads."""

from datetime import timedelta
from typing import Final

from django.utils import timezone

from orchestrator.ops.alerts.models import AlertTestResult
from orchestrator.ops.dashboards.panels import Dashboard, FigurePanel
from orchestrator.ops.dashboards.period import DEFAULT_RANGE, choose_period
from orchestrator.ops.dashboards.reader import Reader, read_today
from orchestrator.ops.preflight.check_protocol import LineAnswer, judge

TEST_LASTS: Final = timedelta(hours=24)
"""How long the test of an alert proves that its chain works."""
MOST_SECONDS: Final = 30.0


def read_dashboard(dashboard: Dashboard) -> str:
    """Read every figure as the page does; what to say of it. Raises as the database does."""
    reader = Reader(choose_period(read_today(), DEFAULT_RANGE), None)
    # Charts read the same tables; figures are enough to see that they answer.
    figures = [panel for panel in dashboard.panels if isinstance(panel, FigurePanel)]
    for panel in figures:
        panel.read(reader)
    return f"{len(figures)} figures answer at /dashboards/{dashboard.name}/"


def judge_alert_test(key: str, name: str) -> LineAnswer:
    """Whether the newest test of an alert reached its receivers in time, and lately."""
    cure = f"Type `blocks alerts test {name}`; it says which receiver does not accept."
    # A success of an hour ago says little when the test after it failed.
    newest = AlertTestResult.objects.filter(name=name).first()
    if newest is None:
        return judge(key, False, "was never tested", cure)
    at = f"{newest.created_at:%Y-%m-%d %H:%M} UTC"
    if newest.error:
        return judge(key, False, f"{at}: {newest.error}", cure)
    if newest.created_at < timezone.now() - TEST_LASTS:
        return judge(key, False, f"was tested last at {at}", cure)
    receivers = ", ".join(newest.receivers)
    found = f"{receivers} accepted it after {newest.seconds} s, at {at}"
    return judge(key, (newest.seconds or 0.0) <= MOST_SECONDS, found, cure)
