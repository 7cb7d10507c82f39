"""What the dispatcher's leader does for incidents: the steps of the escalation, and the version that runs."""

from typing import Final

from blocks import __version__ as blocks_version
from orchestrator.core.periodic import PeriodicWork
from orchestrator.ops.incidents import escalation
from orchestrator.ops.incidents.models import DeployedVersion


def look() -> None:
    """Escalate what is due. The first look of a new version writes down since when it runs."""
    escalation.run_due_steps()
    note_version(blocks_version)


def note_version(version: str) -> None:
    """Write down that ``version`` runs, unless it is known already."""
    # A deploy that was undone is a new row, because flows ran under it from then on.
    newest = DeployedVersion.objects.order_by("-id").first()
    if newest is None or newest.version != version:
        DeployedVersion.objects.create(version=version)


WORK: Final = PeriodicWork("the escalation of incidents", 10.0, look)
