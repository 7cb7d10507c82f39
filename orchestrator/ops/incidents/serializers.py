"""The shapes of incidents, in and out."""

from datetime import datetime
from typing import Any, Final

from django.utils import timezone
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from orchestrator.ops.incidents import review
from orchestrator.ops.incidents.alert_reports import ReportedAlert
from orchestrator.ops.incidents.handling import NOTE_KINDS
from orchestrator.ops.incidents.models import (
    RESOLVE_WITHIN,
    ActionItem,
    EntryKind,
    Incident,
    IncidentAlert,
    IncidentEntry,
    IncidentReview,
    IncidentSeverity,
)
from orchestrator.repos.models import Repo
from orchestrator.rest.links import url_of
from orchestrator.rest.request_bodies import RequestSerializer

# As max_alerts in the configuration that is shipped for Alertmanager.
MOST_ALERTS: Final = 200
# Rules have about ten; Alertmanager adds those of its own.
MOST_LABELS: Final = 60
MOST_TEXT: Final = 10_000


class AffectedRepoSerializer(serializers.ModelSerializer[Repo]):
    """A repo that an incident affects, and who answers for it."""

    owner = serializers.CharField(source="team_lead")

    class Meta:
        model = Repo
        fields = ["name", "owner"]


class IncidentAlertSerializer(serializers.ModelSerializer[IncidentAlert]):
    """An alert that belongs to an incident."""

    class Meta:
        model = IncidentAlert
        fields = ["name", "severity", "labels", "summary", "starts_at", "ends_at"]


class IncidentSerializer(serializers.ModelSerializer[Incident]):
    """An incident with its clocks. They run from the detection."""

    # Whole and not as addresses: an incident is read at night, on a telephone.
    repos = AffectedRepoSerializer(many=True)
    alerts = IncidentAlertSerializer(many=True)
    resolve_by = serializers.SerializerMethodField(help_text="When the severity wants it resolved.")
    acknowledged_after_seconds = serializers.SerializerMethodField(help_text="null while nobody has.")
    resolved_after_seconds = serializers.SerializerMethodField(help_text="null while it is not over.")
    late = serializers.SerializerMethodField(help_text="Whether it took, or takes, longer than it may.")
    review_due_at = serializers.SerializerMethodField(help_text="null where no review is due.")
    review_overdue = serializers.SerializerMethodField()
    url = serializers.SerializerMethodField(help_text="Where it is.")
    html_url = serializers.SerializerMethodField(help_text="Its page in the admin.")

    class Meta:
        model = Incident
        fields = [
            "id",
            "title",
            "severity",
            "status",
            "source",
            "dedup_key",
            "commander",
            "repos",
            "alerts",
            "detected_at",
            "opened_at",
            "opened_by",
            "acknowledged_at",
            "acknowledged_by",
            "acknowledged_until",
            "escalate_at",
            "resolved_at",
            "resolved_by",
            "resolve_by",
            "acknowledged_after_seconds",
            "resolved_after_seconds",
            "late",
            "review_due_at",
            "review_overdue",
            "url",
            "html_url",
        ]

    def get_resolve_by(self, incident: Incident) -> datetime:
        """The end of the time that the severity allows."""
        return incident.detected_at + RESOLVE_WITHIN[incident.severity]

    def get_acknowledged_after_seconds(self, incident: Incident) -> float | None:
        """From the detection to the first acknowledgement."""
        return _measure(incident, incident.acknowledged_at)

    def get_resolved_after_seconds(self, incident: Incident) -> float | None:
        """From the detection to the resolution."""
        return _measure(incident, incident.resolved_at)

    def get_late(self, incident: Incident) -> bool:
        """Whether the time is over."""
        return (incident.resolved_at or timezone.now()) > self.get_resolve_by(incident)

    def get_review_due_at(self, incident: Incident) -> datetime | None:
        """48 hours after the resolution."""
        found: IncidentReview | None = getattr(incident, "review", None)
        return None if found is None else found.due_at

    def get_review_overdue(self, incident: Incident) -> bool:
        """Whether a review should be finished by now and is not."""
        found: IncidentReview | None = getattr(incident, "review", None)
        return found is not None and review.is_overdue(found)

    def get_url(self, incident: Incident) -> str:
        """Its address in this API."""
        return url_of(self.context, f"/api/v1/incidents/{incident.pk}/")

    def get_html_url(self, incident: Incident) -> str:
        """Where an operator looks at it."""
        return url_of(self.context, f"/admin/incidents/incident/{incident.pk}/change/")


def _measure(incident: Incident, end: datetime | None) -> float | None:
    return None if end is None else (end - incident.detected_at).total_seconds()


class NewIncidentSerializer(RequestSerializer):
    """What it takes to open an incident by hand."""

    title = serializers.CharField(max_length=200)
    severity = serializers.ChoiceField(choices=IncidentSeverity.choices)
    commander = serializers.CharField(
        max_length=150, required=False, help_text="Who leads; INCIDENT_COMMANDER without it."
    )
    detected_at = serializers.DateTimeField(required=False, help_text="When it was seen; now without it.")
    # By name; the view refuses one that is not known, because a repo that is misspelt would not be told.
    repos = serializers.ListField(
        child=serializers.CharField(), max_length=200, required=False, help_text="Affected repos."
    )


class HandoverSerializer(RequestSerializer):
    """Who leads from now on."""

    commander = serializers.CharField(max_length=150)
    note = serializers.CharField(
        max_length=MOST_TEXT, required=False, default="", allow_blank=True, help_text="What they must know."
    )


class SeverityChangeSerializer(RequestSerializer):
    """How bad it is."""

    severity = serializers.ChoiceField(choices=IncidentSeverity.choices)


class ResolutionSerializer(RequestSerializer):
    """How it ended."""

    text = serializers.CharField(max_length=MOST_TEXT, required=False, default="", allow_blank=True)


class NewNoteSerializer(RequestSerializer):
    """What a person adds to a timeline."""

    text = serializers.CharField(max_length=MOST_TEXT)
    kind = serializers.ChoiceField(
        # Only what people write: an entry that looks like one of the system would be a forgery.
        choices=[(kind.value, kind.label) for kind in NOTE_KINDS],
        required=False,
        default=EntryKind.NOTE.value,
        help_text="`update` is for everybody; `triage` and `mitigation` are phases of the review.",
    )
    at = serializers.DateTimeField(required=False, help_text="When it happened; now without it.")


class IncidentEntrySerializer(serializers.ModelSerializer[IncidentEntry]):
    """One line of a timeline."""

    class Meta:
        model = IncidentEntry
        fields = ["id", "at", "kind", "actor", "text", "created_at"]


class TimelineSerializer(serializers.Serializer[Any]):
    """A whole timeline: the review needs all of it, and alerts write a bounded number of entries."""

    incident = serializers.IntegerField()
    entries = IncidentEntrySerializer(many=True, help_text="Ordered by when it happened.")


class FailurePatternSerializer(serializers.Serializer[Any]):
    """A value that failures have in common."""

    dimension = serializers.ChoiceField(choices=["repo", "family", "model", "deploy", "stage", "error"])
    value = serializers.CharField()
    failed = serializers.IntegerField(help_text="Failures that have it.")
    ended = serializers.IntegerField(allow_null=True, help_text="Flows that have it; null if only failures.")
    share = serializers.FloatField(help_text="Of all failures, from 0 to 1.")
    confidence = serializers.FloatField(help_text="That it is not an accident, from 0 to 1.")


class FailedFlowSerializer(serializers.Serializer[Any]):
    """A flow that failed."""

    flow = serializers.CharField()
    repo = serializers.CharField()
    error_code = serializers.CharField()
    error_message = serializers.CharField()
    finished_at = serializers.DateTimeField()


class DiagnosisSerializer(serializers.Serializer[Any]):
    """What the failures in the time of an incident have in common."""

    since = serializers.DateTimeField()
    until = serializers.DateTimeField()
    failed = serializers.IntegerField()
    ended = serializers.IntegerField(help_text="Flows that passed or failed.")
    enough = serializers.BooleanField(help_text="False where too few flows ended to name a pattern.")
    verdict = serializers.CharField(help_text="The result, in words.")
    patterns = FailurePatternSerializer(many=True)
    flows = FailedFlowSerializer(many=True, help_text="The newest of those that failed.")


class ActionItemSerializer(serializers.ModelSerializer[ActionItem]):
    """What somebody will do."""

    class Meta:
        model = ActionItem
        fields = ["id", "text", "owner", "due", "done_at", "done_by"]


class NewActionItemSerializer(RequestSerializer):
    """What somebody is to do."""

    text = serializers.CharField(max_length=500)
    owner = serializers.CharField(max_length=150)
    due = serializers.DateField()


class ReviewSerializer(serializers.Serializer[Any]):
    """A post-incident review."""

    due_at = serializers.DateTimeField(allow_null=True, help_text="null where none is due.")
    overdue = serializers.BooleanField()
    finished_at = serializers.DateTimeField(allow_null=True)
    finished_by = serializers.CharField()
    root_cause = serializers.CharField()
    went_well = serializers.CharField()
    went_wrong = serializers.CharField()
    lessons = serializers.CharField()
    actions = ActionItemSerializer(many=True)
    file = serializers.CharField(help_text="Where the launch runbook keeps it.")
    markdown = serializers.CharField(help_text="The whole review, in the launch runbook's template.")


class ReviewChangeSerializer(RequestSerializer):
    """Parts of a review."""

    root_cause = serializers.CharField(max_length=MOST_TEXT, required=False)
    went_well = serializers.CharField(max_length=MOST_TEXT, required=False)
    went_wrong = serializers.CharField(max_length=MOST_TEXT, required=False)
    lessons = serializers.CharField(max_length=MOST_TEXT, required=False)
    finish = serializers.BooleanField(required=False, default=False, help_text="Whether it is complete.")


class LabelsField(serializers.DictField):
    """Labels or annotations of an alert: a bounded number of bounded texts."""

    child = serializers.CharField(max_length=2000, allow_blank=True, trim_whitespace=False)

    def to_internal_value(self, data: Any) -> Any:
        """The texts by name."""
        # Before each text is read: how many there are is the sender's choice.
        if isinstance(data, dict) and len(data) > MOST_LABELS:
            raise serializers.ValidationError(f"At most {MOST_LABELS}.")
        return super().to_internal_value(data)


@extend_schema_field(
    {
        "type": "object",
        "properties": {"alertname": {"type": "string", "minLength": 1, "maxLength": 100}},
        "required": ["alertname"],
        "additionalProperties": {"type": "string", "maxLength": 2000},
        "maxProperties": MOST_LABELS,
    }
)
class AlertLabelsField(LabelsField):
    """The labels of an alert, one of which is its name."""


class ReportedAlertSerializer(RequestSerializer):
    """One alert, as Alertmanager reports it."""

    takes_more = True
    status = serializers.ChoiceField(choices=["firing", "resolved"])
    labels = AlertLabelsField()
    annotations = LabelsField(required=False, default=dict)
    startsAt = serializers.DateTimeField()  # noqa: N815 - Alertmanager's names
    endsAt = serializers.DateTimeField()  # noqa: N815

    def validate_labels(self, labels: dict[str, str]) -> dict[str, str]:
        """Refuse an alert without a name, or with one that no rule has."""
        # The name begins the key of deduplication, and the column of alerts takes so many characters.
        name = labels.get("alertname", "")
        if not name or len(name) > 100:
            raise serializers.ValidationError("alertname is missing, or longer than 100 characters.")
        return labels


class AlertmanagerMessageSerializer(RequestSerializer):
    """A webhook of Alertmanager, version 4. Fields that are not listed are left alone."""

    takes_more = True
    # Another version may mean something else by the same names.
    version = serializers.ChoiceField(choices=["4"])
    receiver = serializers.CharField(max_length=200)
    groupKey = serializers.CharField(max_length=5000)  # noqa: N815
    alerts = ReportedAlertSerializer(many=True)

    def validate_alerts(self, alerts: list[dict[str, Any]]) -> list[ReportedAlert]:
        """The alerts as values."""
        if len(alerts) > MOST_ALERTS:
            raise serializers.ValidationError(f"At most {MOST_ALERTS} alerts in a message; set max_alerts.")
        return [
            ReportedAlert(
                firing=one["status"] == "firing",
                labels=one["labels"],
                summary=one["annotations"].get("summary", "")[:2000],
                starts_at=one["startsAt"],
                ends_at=one["endsAt"],
            )
            for one in alerts
        ]


class AlertReportSerializer(serializers.Serializer[Any]):
    """What a message of Alertmanager has done."""

    opened = serializers.ListField(child=serializers.IntegerField(), help_text="Numbers of new incidents.")
    joined = serializers.ListField(child=serializers.IntegerField(), help_text="Numbers of known ones.")
    ignored = serializers.IntegerField(help_text="Alerts that open none: tests, and other severities.")
