"""The post-incident review as Markdown, in the launch runbook's template, filled in as far as it is known."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Final

from django.utils import timezone

from orchestrator.flows.models import Flow
from orchestrator.ops.incidents import diagnosis, timeline
from orchestrator.ops.incidents.models import EntryKind, Incident, IncidentEntry, IncidentReview

FOLDER: Final = "planning/60_launch/incidents"
# Where nobody has written yet, the template's own words say what belongs there.
_DASH: Final = "\N{EN DASH}"
_TEMPLATE: Final = {
    "root_cause": "[1-2 paragraphs]",
    "went_well": "- [Runbook effectiveness]\n- [Team response time]",
    "went_wrong": "- [Detection delay]\n- [Mitigation complexity]",
    "lessons": "[Key takeaways]",
}


def name_file(incident: Incident) -> str:
    """Where the launch runbook keeps the review."""
    return f"{FOLDER}/PIR_{incident.detected_at:%Y-%m-%d}.md"


def is_overdue(found: IncidentReview) -> bool:
    """Whether the review should be finished by now."""
    return found.finished_at is None and found.due_at < timezone.now()


def write_markdown(incident: Incident) -> str:
    """The review of an incident; times are UTC."""
    found = IncidentReview.objects.filter(incident=incident).first()
    texts = {name: getattr(found, name, "") or words for name, words in _TEMPLATE.items()}
    # Asked again and not stored: late ends of flows belong to the incident, too.
    seen = diagnosis.diagnose_incident(incident)
    end = incident.resolved_at
    length = write_duration(incident_duration(incident))
    ended = f"{end:%Y-%m-%d %H:%M}" if end else "not resolved yet"
    actions = incident.actions.all()
    items = [
        f"{number}. {one.text} — Owner: {one.owner} — Due: {one.due}" + (" (done)" if one.done_at else "")
        for number, one in enumerate(actions, 1)
    ]
    repos = sorted(incident.repos.values_list("name", flat=True))
    lines = [
        f"# Post-Incident Review: {incident.title}",
        "",
        f"**Date:** {incident.detected_at:%Y-%m-%d}",
        f"**Severity:** {incident.severity}",
        f"**Duration:** {incident.detected_at:%Y-%m-%d %H:%M} {_DASH} {ended} ({length})",
        f"**Incident Commander:** {incident.commander}",
        "",
        "## Timeline",
        *_list_phases(incident, seen.verdict),
        "",
        "## Root Cause",
        texts["root_cause"],
        "",
        "## Impact",
        f"- Repos affected: {', '.join(repos) or 'none known'}",
        f"- Flows failed: {seen.failed}",
        f"- Users impacted: {_count_people(incident)}",
        "",
        "## What Went Well",
        texts["went_well"],
        "",
        "## What Went Wrong",
        texts["went_wrong"],
        "",
        "## Action Items",
        *(items or ["1. [Action] — Owner: [Name] — Due: [Date]"]),
        "",
        "## Lessons Learned",
        texts["lessons"],
        "",
        "## All entries",
        *(f"- {write_entry(entry)}" for entry in timeline.list_entries(incident)),
    ]
    return "\n".join(lines) + "\n"


def incident_duration(incident: Incident) -> timedelta:
    """From the detection to the resolution, or to now."""
    return (incident.resolved_at or timezone.now()) - incident.detected_at


def write_duration(length: timedelta) -> str:
    """Hours and minutes, such as ``1 h 5 min``."""
    minutes = round(length.total_seconds() / 60)
    hours, rest = divmod(minutes, 60)
    return f"{hours} h {rest} min" if hours else f"{rest} min"


def write_entry(entry: IncidentEntry) -> str:
    """One line: time, kind, text, and who wrote it."""
    text = " ".join(entry.text.split())
    return f"[{entry.at:%Y-%m-%d %H:%M:%S}] {entry.kind}: {text} ({entry.actor})"


def _list_phases(incident: Incident, verdict: str) -> list[str]:
    """The template's four lines: detection, triage, mitigation, resolution."""
    entries = list(timeline.list_entries(incident))
    lines = [f"- [{incident.detected_at:%H:%M}] Detection: {_say_detection(incident, entries)}"]
    lines += _list_phase(entries, "Triage", [EntryKind.TRIAGE]) or [f"- [HH:MM] Triage: {verdict}"]
    mitigated = [EntryKind.MITIGATION, EntryKind.ROLLBACK]
    lines += _list_phase(entries, "Mitigation", mitigated) or ["- [HH:MM] Mitigation: [Action taken]"]
    resolved = _list_phase(entries, "Resolution", [EntryKind.RESOLVED])
    return lines + (resolved or ["- [HH:MM] Resolution: [Service restored]"])


def _say_detection(incident: Incident, entries: Iterable[IncidentEntry]) -> str:
    # The delay is the first thing that a review asks about.
    delay = write_duration(incident.opened_at - incident.detected_at)
    first = next((one.text for one in entries if one.kind == EntryKind.ALERT), "")
    how = first.rstrip(".") or f"by {incident.opened_by}"
    return f"{how}; opened {delay} later"


def _list_phase(entries: Iterable[IncidentEntry], name: str, kinds: Iterable[str]) -> list[str]:
    # Several lines of a phase are kept in their order; the template has one as an example.
    chosen = set(kinds)
    return [
        f"- [{entry.at:%H:%M}] {name}: {' '.join(entry.text.split())}"
        for entry in entries
        if entry.kind in chosen
    ]


def _count_people(incident: Incident) -> int:
    """How many people and tokens have flows that failed in the time of the incident."""
    since, until = incident.detected_at - diagnosis.BEFORE, incident.resolved_at or timezone.now()
    # Tokens count as people here: behind each of them is a team that waits for its flow.
    rows = Flow.objects.filter(status="failed", finished_at__gt=since, finished_at__lte=until)
    return rows.exclude(created_by="").values("created_by").distinct().count()
