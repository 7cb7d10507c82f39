"""PagerDuty's own settings, which it shows to people only; a test page arrives by the alerts' tests."""

from collections.abc import Iterator

from orchestrator.ops.preflight.check_protocol import PHASES, ChecklistLine, LineAnswer, ask


class PagerDutyCheck:
    """A person looks at PagerDuty."""

    section = "PagerDuty Configuration"
    phases = PHASES
    lines = (
        ChecklistLine(
            "escalation-policy",
            "Escalation policy: Primary (5 min) → Secondary (10 min) → Incident Commander (15 min)",
        ),
        ChecklistLine(
            "on-call-schedule", "Schedule: https://company.pagerduty.com/schedules/flowengine-oncall"
        ),
    )

    def look(self) -> Iterator[LineAnswer]:
        """The keys of this deployment may send events, and read nothing."""
        # That a page arrives is shown by the tests of alerts; after how long the next is paged, is not.
        yield ask(
            "escalation-policy",
            "PagerDuty knows",
            "Apply deploy/pagerduty/escalation.tf.json, then look at the policy of the service flowengine.",
        )
        yield ask(
            "on-call-schedule",
            "PagerDuty knows",
            "Open the schedule: somebody is on call now, and in every week of this phase.",
        )


CHECK = PagerDutyCheck()
