"""The tables of incidents, and the triggers that keep them."""

from pathlib import Path

import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("repos", "0004_ci_trusts"),
    ]

    operations = [
        migrations.CreateModel(
            name="DeployedVersion",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("version", models.CharField(max_length=100)),
                ("since", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                "ordering": ["-id"],
                "indexes": [models.Index(fields=["-since"], name="deployed_version_newest")],
            },
        ),
        migrations.CreateModel(
            name="Incident",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("title", models.CharField(max_length=200)),
                (
                    "severity",
                    models.CharField(
                        choices=[
                            ("P1", "P1 (critical)"),
                            ("P2", "P2 (high)"),
                            ("P3", "P3 (medium)"),
                            ("P4", "P4 (low)"),
                        ],
                        max_length=2,
                    ),
                ),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("open", "Open"),
                            ("acknowledged", "Acknowledged"),
                            ("resolved", "Resolved"),
                        ],
                        db_default="open",
                        default="open",
                        max_length=12,
                    ),
                ),
                (
                    "source",
                    models.CharField(
                        choices=[("person", "Person"), ("alert", "Alert"), ("rollback", "Rollback")],
                        max_length=10,
                    ),
                ),
                ("dedup_key", models.CharField(blank=True, db_default="", default="", max_length=500)),
                ("commander", models.CharField(max_length=150)),
                ("detected_at", models.DateTimeField()),
                ("opened_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("opened_by", models.CharField(max_length=150)),
                ("acknowledged_at", models.DateTimeField(blank=True, null=True)),
                ("acknowledged_by", models.CharField(blank=True, db_default="", default="", max_length=150)),
                ("acknowledged_until", models.DateTimeField(blank=True, null=True)),
                ("escalation_step", models.PositiveSmallIntegerField(db_default=0, default=0)),
                ("escalate_at", models.DateTimeField(blank=True, null=True)),
                ("resolved_at", models.DateTimeField(blank=True, null=True)),
                ("resolved_by", models.CharField(blank=True, db_default="", default="", max_length=150)),
                ("repos", models.ManyToManyField(blank=True, related_name="incidents", to="repos.repo")),
            ],
            options={
                "ordering": ["-id"],
            },
        ),
        migrations.CreateModel(
            name="ActionItem",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("text", models.CharField(max_length=500)),
                ("owner", models.CharField(max_length=150)),
                ("due", models.DateField()),
                ("done_at", models.DateTimeField(blank=True, null=True)),
                ("done_by", models.CharField(blank=True, db_default="", default="", max_length=150)),
                (
                    "incident",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="actions",
                        to="incidents.incident",
                    ),
                ),
            ],
            options={
                "ordering": ["id"],
            },
        ),
        migrations.CreateModel(
            name="IncidentAlert",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=100)),
                ("fingerprint", models.CharField(max_length=64)),
                (
                    "severity",
                    models.CharField(
                        choices=[
                            ("P1", "P1 (critical)"),
                            ("P2", "P2 (high)"),
                            ("P3", "P3 (medium)"),
                            ("P4", "P4 (low)"),
                        ],
                        max_length=2,
                    ),
                ),
                ("labels", models.JSONField(db_default={}, default=dict)),
                ("summary", models.TextField(blank=True, db_default="", default="")),
                ("page_key", models.CharField(blank=True, db_default="", default="", max_length=100)),
                ("starts_at", models.DateTimeField()),
                ("ends_at", models.DateTimeField(blank=True, null=True)),
                (
                    "incident",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="alerts",
                        to="incidents.incident",
                    ),
                ),
            ],
            options={
                "ordering": ["id"],
            },
        ),
        migrations.CreateModel(
            name="IncidentEntry",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("opened", "Opened"),
                            ("alert", "Alert"),
                            ("told", "Told"),
                            ("severity", "Severity"),
                            ("escalated", "Escalated"),
                            ("acknowledged", "Acknowledged"),
                            ("unacknowledged", "Unacknowledged"),
                            ("handed_over", "Handed Over"),
                            ("note", "Note"),
                            ("triage", "Triage"),
                            ("mitigation", "Mitigation"),
                            ("update", "Update"),
                            ("rollback", "Rollback"),
                            ("resolved", "Resolved"),
                        ],
                        max_length=15,
                    ),
                ),
                ("at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("actor", models.CharField(max_length=150)),
                ("text", models.TextField()),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "incident",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="entries",
                        to="incidents.incident",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "timeline",
                "ordering": ["at", "id"],
            },
        ),
        migrations.CreateModel(
            name="IncidentReview",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("due_at", models.DateTimeField()),
                ("root_cause", models.TextField(blank=True, db_default="", default="")),
                ("went_well", models.TextField(blank=True, db_default="", default="")),
                ("went_wrong", models.TextField(blank=True, db_default="", default="")),
                ("lessons", models.TextField(blank=True, db_default="", default="")),
                ("finished_at", models.DateTimeField(blank=True, null=True)),
                ("finished_by", models.CharField(blank=True, db_default="", default="", max_length=150)),
                (
                    "incident",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="review",
                        to="incidents.incident",
                    ),
                ),
            ],
            options={
                "ordering": ["due_at"],
            },
        ),
        migrations.AddIndex(
            model_name="incident",
            index=models.Index(
                condition=models.Q(("status", "resolved"), _negated=True),
                fields=["severity"],
                name="incident_unresolved",
            ),
        ),
        migrations.AddIndex(
            model_name="incident",
            index=models.Index(fields=["-detected_at"], name="incident_newest_detected"),
        ),
        migrations.AddConstraint(
            model_name="incident",
            constraint=models.CheckConstraint(
                condition=models.Q(("severity__in", ["P1", "P2", "P3", "P4"])), name="incident_severity_known"
            ),
        ),
        migrations.AddConstraint(
            model_name="incident",
            constraint=models.CheckConstraint(
                condition=models.Q(("status__in", ["open", "acknowledged", "resolved"])),
                name="incident_status_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="incident",
            constraint=models.CheckConstraint(
                condition=models.Q(("source__in", ["person", "alert", "rollback"])),
                name="incident_source_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="incident",
            constraint=models.CheckConstraint(
                condition=models.Q(("commander", ""), _negated=True), name="incident_has_commander"
            ),
        ),
        migrations.AddConstraint(
            model_name="incident",
            constraint=models.CheckConstraint(
                condition=models.Q(("detected_at__lte", models.F("opened_at"))),
                name="incident_detected_before_opened",
            ),
        ),
        migrations.AddConstraint(
            model_name="incident",
            constraint=models.UniqueConstraint(
                condition=models.Q(
                    models.Q(("dedup_key", ""), _negated=True),
                    models.Q(("status", "resolved"), _negated=True),
                ),
                fields=("dedup_key",),
                name="incident_open_once_per_key",
            ),
        ),
        migrations.AddConstraint(
            model_name="incident",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("acknowledged_until__isnull", False),
                        ("escalate_at__isnull", True),
                        ("status", "acknowledged"),
                    ),
                    models.Q(
                        models.Q(("status", "acknowledged"), _negated=True),
                        ("acknowledged_until__isnull", True),
                    ),
                    _connector="OR",
                ),
                name="incident_acknowledged_does_not_escalate",
            ),
        ),
        migrations.AddConstraint(
            model_name="incident",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("escalate_at__isnull", True), ("resolved_at__isnull", False), ("status", "resolved")
                    ),
                    models.Q(models.Q(("status", "resolved"), _negated=True), ("resolved_at__isnull", True)),
                    _connector="OR",
                ),
                name="incident_resolved_has_time",
            ),
        ),
        migrations.AddConstraint(
            model_name="actionitem",
            constraint=models.CheckConstraint(
                condition=models.Q(("owner", ""), _negated=True), name="action_item_has_owner"
            ),
        ),
        migrations.AddIndex(
            model_name="incidentalert",
            index=models.Index(fields=["fingerprint", "-id"], name="incident_alert_fingerprint"),
        ),
        migrations.AddConstraint(
            model_name="incidentalert",
            constraint=models.UniqueConstraint(
                fields=("incident", "fingerprint"), name="incident_alert_once"
            ),
        ),
        migrations.AddIndex(
            model_name="incidententry",
            index=models.Index(fields=["incident", "at", "id"], name="incident_entry_order"),
        ),
        migrations.AddConstraint(
            model_name="incidententry",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "kind__in",
                        [
                            "opened",
                            "alert",
                            "told",
                            "severity",
                            "escalated",
                            "acknowledged",
                            "unacknowledged",
                            "handed_over",
                            "note",
                            "triage",
                            "mitigation",
                            "update",
                            "rollback",
                            "resolved",
                        ],
                    )
                ),
                name="incident_entry_kind_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="incidentreview",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("finished_at__isnull", True),
                    models.Q(("root_cause", ""), _negated=True),
                    _connector="OR",
                ),
                name="incident_review_finished_has_cause",
            ),
        ),
        migrations.RunSQL(
            Path(__file__).with_suffix(".sql").read_text(encoding="utf-8"),
            "DROP TRIGGER incidents_guard_move ON incidents_incident; DROP FUNCTION incidents_guard_move();"
            " DROP TRIGGER incidents_entry_is_kept ON incidents_incidententry;"
            " DROP FUNCTION incidents_entry_is_kept();",
        ),
    ]
