"""Whether everybody on call is trained for it, from the training records."""

from collections.abc import Iterator
from typing import Final

from orchestrator.ops.preflight.check_protocol import PHASES, ChecklistLine, LineAnswer, judge
from orchestrator.ops.training.models import OnCallDuty, SessionKind, Trainee
from orchestrator.ops.training.standing import find_absent_on_call, find_untrained_on_call

_MOST_NAMED: Final = 5


class OnCallTrainingCheck:
    """Looks for people on call who were not there, or did not pass."""

    section = "Training Complete"
    phases = PHASES
    lines = (
        ChecklistLine("on-call-module", "Module 4: Runbooks & Rollback (Nov 21)"),
        ChecklistLine("on-call-exercise", "Tabletop exercise: P1 incident simulation (Nov 28)"),
        ChecklistLine("on-call-review", "Runbook review session (Dec 2)"),
    )

    def look(self) -> Iterator[LineAnswer]:
        """Nobody on call is not everybody trained."""
        # Without anybody on call, nobody is missing from the exercise either.
        people = Trainee.objects.exclude(duty=OnCallDuty.NONE).count()
        cures = {
            "on-call-module": "Import their scores in module 4.",
            "on-call-exercise": "Hold the exercise, and enter it as a session of kind exercise.",
            "on-call-review": "Hold the review, and enter it as a session of kind review.",
        }
        missing = {
            "on-call-module": find_untrained_on_call(),
            "on-call-exercise": find_absent_on_call(SessionKind.EXERCISE),
            "on-call-review": find_absent_on_call(SessionKind.REVIEW),
        }
        for key, names in missing.items():
            found = f"{people - len(names)} of {people} on call"
            if names:
                found += f"; missing: {', '.join(names[:_MOST_NAMED])}"
            yield judge(key, people > 0 and not names, found, cures[key])


CHECK = OnCallTrainingCheck()
