"""The approval that phase 7 waits for. People give it."""

from collections.abc import Iterator

from orchestrator.ops.preflight.check_protocol import ChecklistLine, LineAnswer, ask


class ApprovalCheck:
    """A person says so."""

    section = "Prerequisites"
    phases = (7,)
    lines = (ChecklistLine("g6", "G6 gate approved (Dec 5, 2025)"),)

    def look(self) -> Iterator[LineAnswer]:
        """The decision is not in this system."""
        # Nothing here can stand for a decision of people.
        yield ask("g6", "the gate's minutes know", "Confirm with the date of the decision as note.")


CHECK = ApprovalCheck()
