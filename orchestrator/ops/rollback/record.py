"""A rollback's row, and what is told of it: on its incident's timeline, and to subscribers."""

from orchestrator.ops.incidents import timeline
from orchestrator.ops.incidents.handling import find_incident
from orchestrator.ops.incidents.models import EntryKind
from orchestrator.ops.rollback.errors import UnknownRollback
from orchestrator.ops.rollback.models import Rollback


def find_rollback(number: int, *, locked: bool = False) -> Rollback:
    """The rollback, ``locked`` while nobody else changes it; raises ``UnknownRollback``."""
    rows = Rollback.objects.select_for_update() if locked else Rollback.objects.all()
    found = rows.filter(pk=number).first()
    if found is None:
        raise UnknownRollback(f"There is no rollback {number}.")
    return found


def write_note(rollback: Rollback, text: str, *, actor: str = "") -> None:
    """Write on the timeline of the incident what happens to a rollback."""
    # Also where the incident is resolved already: its timeline takes entries for good.
    incident = find_incident(rollback.incident)
    timeline.add_entry(incident, EntryKind.ROLLBACK, text, actor=actor or rollback.actor)


def list_facts(rollback: Rollback) -> dict[str, object]:
    """What webhooks and subscribers are told of a rollback."""
    return {
        "rollback": rollback.pk,
        "kind": rollback.kind,
        "status": rollback.status,
        "title": f"Rollback {rollback.pk} to {rollback.get_kind_display()}: {rollback.reason}",
        "severity": "P1",
        "incident": rollback.incident,
        "trigger": rollback.trigger,
        "repos": sorted(rollback.repos.values_list("repo__name", flat=True)),
        "by": rollback.actor,
    }
