"""Who is on call, from the training records."""

from collections.abc import Iterator
from typing import Final

from orchestrator.ops.preflight.check_protocol import PHASES, ChecklistLine, LineAnswer, judge
from orchestrator.ops.training.models import OnCallDuty
from orchestrator.ops.training.standing import count_on_call

_LEAST: Final = {
    "on-call-primary": (OnCallDuty.PRIMARY, 3),
    "on-call-secondary": (OnCallDuty.SECONDARY, 2),
    "on-call-commander": (OnCallDuty.COMMANDER, 1),
}


class RotationCheck:
    """Counts people by their part."""

    section = "Rotation Established"
    phases = PHASES
    lines = (
        ChecklistLine("on-call-primary", "Primary: 3 SRE engineers (1-week shifts)"),
        ChecklistLine("on-call-secondary", "Secondary: 2 Engineering TLs (escalation path)"),
        ChecklistLine("on-call-commander", "Incident Commander: SRE Lead (P1/P2 incidents)"),
    )

    def look(self) -> Iterator[LineAnswer]:
        """Primary, secondary, commander."""
        for key, (duty, least) in _LEAST.items():
            # Enough, not exactly so many: a fourth engineer makes nothing worse.
            count = count_on_call(duty)
            yield judge(
                key,
                count >= least,
                f"{count} of {least}",
                f"Enter who has the duty {duty.value}: admin, Trainees (or people.csv).",
            )


CHECK = RotationCheck()
