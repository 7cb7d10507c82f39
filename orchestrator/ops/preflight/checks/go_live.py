"""The four checks of launch day, 8:00 AM."""

from collections.abc import Iterator
from typing import Final

from orchestrator.flows.worker import presence
from orchestrator.ops.dashboards.description import DASHBOARDS
from orchestrator.ops.preflight.check_protocol import ChecklistLine, LineAnswer, judge
from orchestrator.ops.preflight.readings import judge_alert_test, read_dashboard
from providers import quota_report

FRESH_PERCENT: Final = 50


class GoLiveCheck:
    """Workers, quotas, the dashboard that everybody opens, and one alert."""

    section = "8:00 AM — Pre-Flight Checks"
    phases = (7,)
    lines = (
        ChecklistLine("go-live-health", "1. Verify infrastructure health"),
        ChecklistLine("go-live-quotas", "2. Check model API quotas"),
        ChecklistLine("go-live-dashboards", "3. Verify dashboards loading"),
        ChecklistLine("go-live-alert", "4. Test alert firing"),
    )

    def look(self) -> Iterator[LineAnswer]:
        """In the order of the runbook."""
        # A queue without a worker is as bad as one whose worker is silent.
        workers = presence.count_workers()
        silent = [queue for queue, found in workers.items() if found.silent or not found.beating]
        yield judge(
            "go-live-health",
            not silent,
            f"every worker of {len(workers)} queues beats" if not silent else f"silent: {', '.join(silent)}",
            "Type `kubectl get pods -n production`, read the log of what does not run, and restart it.",
        )
        # Over the last 24 hours, so yesterday's load is seen, which a calendar day hides.
        used = {one.provider: one.percent for one in quota_report.read_quotas().providers}
        yield judge(
            "go-live-quotas",
            max(used.values(), default=0.0) < FRESH_PERCENT,
            ", ".join(f"{name} {percent:.1f} %" for name, percent in used.items()),
            "Wait until less of the last 24 hours is used, or ask the vendor for more.",
        )
        (adoption,) = [one for one in DASHBOARDS if one.uid == "flowengine-adoption"]
        yield judge("go-live-dashboards", True, read_dashboard(adoption), "")
        yield judge_alert_test("go-live-alert", "budget_burn_rate")


CHECK = GoLiveCheck()
