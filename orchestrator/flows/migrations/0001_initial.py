"""The tables, then the triggers that guard them, from the frozen copy beside this file."""

from pathlib import Path

import django.db.models.constraints
import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models

_DROP = "DROP FUNCTION flows_refuse_transition, flows_evidencelog_is_kept CASCADE"


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("repos", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="Blob",
            fields=[
                ("sha256", models.CharField(max_length=64, primary_key=True, serialize=False)),
                ("content", models.BinaryField()),
                ("size", models.PositiveBigIntegerField()),
                (
                    "created_at",
                    models.DateTimeField(
                        auto_now_add=True, db_default=django.db.models.functions.datetime.Now()
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="EvidenceKey",
            fields=[
                ("key_id", models.CharField(max_length=64, primary_key=True, serialize=False)),
                ("public_pem", models.TextField()),
                (
                    "created_at",
                    models.DateTimeField(
                        auto_now_add=True, db_default=django.db.models.functions.datetime.Now()
                    ),
                ),
            ],
            options={
                "ordering": ["-created_at"],
            },
        ),
        migrations.CreateModel(
            name="QueueLoad",
            fields=[
                (
                    "queue",
                    models.CharField(
                        choices=[
                            ("anthropic", "anthropic"),
                            ("openai", "openai"),
                            ("google", "google"),
                            ("gates", "gates"),
                            ("control", "control"),
                        ],
                        max_length=20,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("full_until", models.DateTimeField(blank=True, null=True)),
            ],
        ),
        migrations.CreateModel(
            name="EvidenceLog",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("repo", models.CharField(max_length=100)),
                ("sequence", models.PositiveBigIntegerField()),
                ("flow", models.CharField(max_length=25)),
                ("manifest_sha256", models.CharField(max_length=64)),
                ("content_sha256", models.CharField(max_length=64)),
                ("previous_hash", models.CharField(max_length=64)),
                ("hash", models.CharField(max_length=64, unique=True)),
                ("envelope", models.TextField()),
                ("key_id", models.CharField(max_length=64)),
                ("created_at", models.DateTimeField()),
            ],
            options={
                "ordering": ["repo", "sequence"],
                "indexes": [models.Index(fields=["flow"], name="evidence_log_by_flow")],
                "constraints": [
                    models.UniqueConstraint(fields=("repo", "sequence"), name="evidence_log_sequence_once"),
                    models.CheckConstraint(
                        condition=models.Q(("sequence__gte", 1)), name="evidence_log_counts_from_one"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Flow",
            fields=[
                ("id", models.CharField(editable=False, max_length=25, primary_key=True, serialize=False)),
                ("flow_type", models.CharField(max_length=50)),
                ("flow_type_version", models.PositiveIntegerField(db_default=1, default=1)),
                ("block_family", models.CharField(blank=True, db_default="", default="", max_length=100)),
                ("feature_request", models.TextField()),
                ("origin", models.CharField(blank=True, db_default="", default="", max_length=600)),
                ("settings", models.JSONField(blank=True, db_default={}, default=dict)),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("pending", "Pending"),
                            ("running", "Running"),
                            ("waiting", "Waiting"),
                            ("paused", "Paused"),
                            ("passed", "Passed"),
                            ("failed", "Failed"),
                            ("cancelled", "Cancelled"),
                        ],
                        db_default="pending",
                        default="pending",
                        max_length=10,
                    ),
                ),
                ("priority", models.SmallIntegerField(db_default=0, default=0)),
                ("created_by", models.CharField(blank=True, db_default="", default="", max_length=150)),
                ("idempotency_key", models.CharField(blank=True, max_length=255, null=True)),
                ("request_digest", models.CharField(blank=True, db_default="", default="", max_length=64)),
                ("trace_parent", models.CharField(blank=True, db_default="", default="", max_length=55)),
                (
                    "created_at",
                    models.DateTimeField(
                        auto_now_add=True, db_default=django.db.models.functions.datetime.Now()
                    ),
                ),
                ("started_at", models.DateTimeField(blank=True, null=True)),
                ("finished_at", models.DateTimeField(blank=True, null=True)),
                ("deadline_at", models.DateTimeField(blank=True, null=True)),
                ("cost_usd", models.DecimalField(db_default=0, decimal_places=9, default=0, max_digits=16)),
                ("error_code", models.CharField(blank=True, db_default="", default="", max_length=100)),
                ("error_message", models.TextField(blank=True, db_default="", default="")),
                ("error_cure", models.TextField(blank=True, db_default="", default="")),
                (
                    "repo",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="flows",
                        to="repos.repo",
                    ),
                ),
                (
                    "snapshot",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="flows.blob",
                    ),
                ),
            ],
            options={
                "ordering": ["-id"],
            },
        ),
        migrations.CreateModel(
            name="Block",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("family", models.CharField(max_length=100)),
                ("name", models.CharField(max_length=100)),
                ("version", models.PositiveIntegerField()),
                ("summary", models.TextField(blank=True, db_default="", default="")),
                ("quality_score", models.DecimalField(decimal_places=2, max_digits=5)),
                ("verified", models.BooleanField()),
                (
                    "created_at",
                    models.DateTimeField(
                        auto_now_add=True, db_default=django.db.models.functions.datetime.Now()
                    ),
                ),
                (
                    "manifest",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="flows.blob"
                    ),
                ),
                (
                    "repo",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="blocks", to="repos.repo"
                    ),
                ),
                (
                    "flow",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT, related_name="block", to="flows.flow"
                    ),
                ),
            ],
            options={
                "ordering": ["-id"],
            },
        ),
        migrations.CreateModel(
            name="Hold",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "scope",
                    models.CharField(
                        choices=[("everything", "Everything"), ("repo", "Repo"), ("queue", "Queue")],
                        max_length=10,
                    ),
                ),
                ("target", models.CharField(blank=True, db_default="", default="", max_length=100)),
                ("reason", models.TextField(blank=True, db_default="", default="")),
                ("actor", models.CharField(blank=True, db_default="", default="", max_length=150)),
                (
                    "created_at",
                    models.DateTimeField(
                        auto_now_add=True, db_default=django.db.models.functions.datetime.Now()
                    ),
                ),
            ],
            options={
                "ordering": ["id"],
                "constraints": [
                    models.UniqueConstraint(fields=("scope", "target"), name="hold_once"),
                    models.CheckConstraint(
                        condition=models.Q(("scope__in", ["everything", "repo", "queue"])),
                        name="hold_scope_known",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Stage",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("position", models.PositiveIntegerField()),
                ("kind", models.CharField(max_length=50)),
                ("round", models.PositiveSmallIntegerField(db_default=1, default=1)),
                (
                    "queue",
                    models.CharField(
                        choices=[
                            ("anthropic", "anthropic"),
                            ("openai", "openai"),
                            ("google", "google"),
                            ("gates", "gates"),
                            ("control", "control"),
                        ],
                        max_length=20,
                    ),
                ),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("pending", "Pending"),
                            ("ready", "Ready"),
                            ("running", "Running"),
                            ("waiting", "Waiting"),
                            ("passed", "Passed"),
                            ("failed", "Failed"),
                            ("skipped", "Skipped"),
                            ("cancelled", "Cancelled"),
                        ],
                        db_default="pending",
                        default="pending",
                        max_length=10,
                    ),
                ),
                ("token", models.UUIDField(blank=True, null=True)),
                ("lease_until", models.DateTimeField(blank=True, null=True)),
                ("worker", models.CharField(blank=True, db_default="", default="", max_length=200)),
                ("attempts_made", models.PositiveIntegerField(db_default=0, default=0)),
                ("crashes", models.PositiveSmallIntegerField(db_default=0, default=0)),
                ("failures", models.PositiveSmallIntegerField(db_default=0, default=0)),
                ("repair", models.JSONField(blank=True, db_default={}, default=dict)),
                ("ready_at", models.DateTimeField(blank=True, null=True)),
                ("not_before", models.DateTimeField(blank=True, null=True)),
                ("wait_reason", models.TextField(blank=True, db_default="", default="")),
                ("waits_for", models.CharField(blank=True, db_default="", default="", max_length=20)),
                ("wait_tokens", models.BigIntegerField(db_default=0, default=0)),
                ("wait_nano_usd", models.BigIntegerField(db_default=0, default=0)),
                ("waiting_since", models.DateTimeField(blank=True, null=True)),
                ("sent_at", models.DateTimeField(blank=True, null=True)),
                ("sends", models.PositiveIntegerField(db_default=0, default=0)),
                ("fair_tag", models.FloatField(db_default=0, default=0)),
                ("feedback", models.TextField(blank=True, db_default="", default="")),
                ("output", models.JSONField(blank=True, db_default={}, default=dict)),
                ("error_code", models.CharField(blank=True, db_default="", default="", max_length=100)),
                ("error_message", models.TextField(blank=True, db_default="", default="")),
                ("error_cure", models.TextField(blank=True, db_default="", default="")),
                ("started_at", models.DateTimeField(blank=True, null=True)),
                ("finished_at", models.DateTimeField(blank=True, null=True)),
                (
                    "flow",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="stages",
                        to="flows.flow",
                    ),
                ),
            ],
            options={
                "ordering": ["flow_id", "position"],
            },
        ),
        migrations.CreateModel(
            name="GateResult",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("gate", models.CharField(max_length=50)),
                ("round", models.PositiveSmallIntegerField()),
                (
                    "verdict",
                    models.CharField(
                        choices=[("passed", "passed"), ("failed", "failed"), ("errored", "errored")],
                        max_length=10,
                    ),
                ),
                ("score", models.DecimalField(blank=True, decimal_places=2, max_digits=6, null=True)),
                ("threshold", models.DecimalField(blank=True, decimal_places=2, max_digits=6, null=True)),
                ("summary", models.TextField()),
                ("cure", models.TextField(blank=True, db_default="", default="")),
                ("findings", models.JSONField(blank=True, db_default=[], default=list)),
                ("details", models.JSONField(blank=True, db_default={}, default=dict)),
                ("seconds", models.FloatField(db_default=0, default=0)),
                (
                    "created_at",
                    models.DateTimeField(
                        auto_now_add=True, db_default=django.db.models.functions.datetime.Now()
                    ),
                ),
                (
                    "flow",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="gate_results",
                        to="flows.flow",
                    ),
                ),
                (
                    "stage",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="gate_results",
                        to="flows.stage",
                    ),
                ),
            ],
            options={
                "ordering": ["id"],
            },
        ),
        migrations.CreateModel(
            name="FlowEvent",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("kind", models.CharField(max_length=50)),
                ("data", models.JSONField(blank=True, db_default={}, default=dict)),
                (
                    "created_at",
                    models.DateTimeField(
                        auto_now_add=True, db_default=django.db.models.functions.datetime.Now()
                    ),
                ),
                (
                    "flow",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="events",
                        to="flows.flow",
                    ),
                ),
                (
                    "stage",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="flows.stage",
                    ),
                ),
            ],
            options={
                "ordering": ["id"],
            },
        ),
        migrations.CreateModel(
            name="Attempt",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("number", models.PositiveIntegerField()),
                ("token", models.UUIDField(unique=True)),
                ("worker", models.CharField(max_length=200)),
                ("started_at", models.DateTimeField()),
                ("finished_at", models.DateTimeField(blank=True, null=True)),
                (
                    "outcome",
                    models.CharField(
                        choices=[
                            ("running", "Running"),
                            ("passed", "Passed"),
                            ("failed", "Failed"),
                            ("parked", "Parked"),
                            ("expired", "Expired"),
                            ("cancelled", "Cancelled"),
                        ],
                        db_default="running",
                        default="running",
                        max_length=10,
                    ),
                ),
                ("model", models.CharField(blank=True, db_default="", default="", max_length=100)),
                ("fallback_from", models.CharField(blank=True, db_default="", default="", max_length=100)),
                ("prompt", models.CharField(blank=True, db_default="", default="", max_length=50)),
                ("error_code", models.CharField(blank=True, db_default="", default="", max_length=100)),
                ("error_message", models.TextField(blank=True, db_default="", default="")),
                (
                    "stage",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="attempts",
                        to="flows.stage",
                    ),
                ),
            ],
            options={
                "ordering": ["stage_id", "number"],
            },
        ),
        migrations.CreateModel(
            name="Artifact",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("kind", models.CharField(max_length=100)),
                ("name", models.CharField(max_length=255)),
                ("media_type", models.CharField(max_length=100)),
                (
                    "created_at",
                    models.DateTimeField(
                        auto_now_add=True, db_default=django.db.models.functions.datetime.Now()
                    ),
                ),
                (
                    "blob",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="flows.blob"
                    ),
                ),
                (
                    "flow",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="artifacts", to="flows.flow"
                    ),
                ),
                (
                    "stage",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="artifacts",
                        to="flows.stage",
                    ),
                ),
            ],
            options={
                "ordering": ["id"],
            },
        ),
        migrations.AddField(
            model_name="blob",
            name="repo",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to="repos.repo",
            ),
        ),
        migrations.AddIndex(
            model_name="blob",
            index=models.Index(fields=["repo"], include=("size",), name="blob_size_by_repo"),
        ),
        migrations.AddIndex(
            model_name="flow",
            index=models.Index(
                condition=models.Q(("status__in", ["pending", "running", "waiting", "paused"])),
                fields=["repo"],
                name="flow_open_by_repo",
            ),
        ),
        migrations.AddIndex(
            model_name="flow",
            index=models.Index(fields=["repo", "-created_at"], name="flow_newest_of_repo"),
        ),
        migrations.AddIndex(
            model_name="flow",
            index=models.Index(fields=["status", "created_at"], name="flow_status_created"),
        ),
        migrations.AddIndex(
            model_name="flow",
            index=models.Index(
                condition=models.Q(("status__in", ["pending", "running", "waiting", "paused"])),
                fields=["deadline_at"],
                name="flow_deadline",
            ),
        ),
        migrations.AddConstraint(
            model_name="flow",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "status__in",
                        ["pending", "running", "waiting", "paused", "passed", "failed", "cancelled"],
                    )
                ),
                name="flow_status_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="flow",
            constraint=models.CheckConstraint(
                condition=models.Q(("cost_usd__gte", 0)), name="flow_cost_not_negative"
            ),
        ),
        migrations.AddConstraint(
            model_name="flow",
            constraint=models.UniqueConstraint(
                fields=("repo", "idempotency_key"), name="flow_idempotent_per_repo"
            ),
        ),
        migrations.AddConstraint(
            model_name="flow",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("finished_at__isnull", False), ("status__in", ["passed", "failed", "cancelled"])
                    ),
                    models.Q(
                        ("finished_at__isnull", True),
                        ("status__in", ["pending", "running", "waiting", "paused"]),
                    ),
                    _connector="OR",
                ),
                name="flow_finished_iff_ended",
            ),
        ),
        migrations.AddConstraint(
            model_name="flow",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("status", "failed"), _negated=True),
                    models.Q(("error_code", ""), _negated=True),
                    _connector="OR",
                ),
                name="flow_failed_has_reason",
            ),
        ),
        migrations.AddConstraint(
            model_name="flow",
            constraint=models.CheckConstraint(
                condition=models.Q(("origin", ""), ("snapshot__isnull", False), _connector="OR"),
                name="flow_origin_of_a_snapshot",
            ),
        ),
        migrations.AddConstraint(
            model_name="block",
            constraint=models.UniqueConstraint(
                fields=("repo", "family", "name", "version"), name="block_version_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="block",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("version__gte", 1), ("quality_score__gte", 0), ("quality_score__lte", 100)
                ),
                name="block_sane",
            ),
        ),
        migrations.AddIndex(
            model_name="stage",
            index=models.Index(
                condition=models.Q(("sent_at__isnull", True), ("status", "ready")),
                fields=["queue", "fair_tag", "id"],
                name="stage_unsent",
            ),
        ),
        migrations.AddIndex(
            model_name="stage",
            index=models.Index(
                condition=models.Q(("sent_at__isnull", False), ("status", "ready")),
                fields=["queue", "sent_at"],
                name="stage_sent",
            ),
        ),
        migrations.AddIndex(
            model_name="stage",
            index=models.Index(
                condition=models.Q(("status", "waiting")), fields=["not_before"], name="stage_waiting"
            ),
        ),
        migrations.AddIndex(
            model_name="stage",
            index=models.Index(
                condition=models.Q(("status", "running")), fields=["lease_until"], name="stage_leases"
            ),
        ),
        migrations.AddIndex(
            model_name="stage",
            index=models.Index(
                condition=models.Q(
                    ("status__in", ["ready", "running", "waiting"]),
                    models.Q(("waits_for", ""), _negated=True),
                ),
                fields=["waits_for"],
                name="stage_for_capacity",
            ),
        ),
        migrations.AddConstraint(
            model_name="stage",
            constraint=models.UniqueConstraint(
                deferrable=django.db.models.constraints.Deferrable["DEFERRED"],
                fields=("flow", "position"),
                name="stage_position_once",
            ),
        ),
        migrations.AddConstraint(
            model_name="stage",
            constraint=models.UniqueConstraint(
                condition=models.Q(("status__in", ["ready", "running", "waiting"])),
                fields=("flow",),
                name="stage_one_live_per_flow",
            ),
        ),
        migrations.AddConstraint(
            model_name="stage",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "status__in",
                        [
                            "pending",
                            "ready",
                            "running",
                            "waiting",
                            "passed",
                            "failed",
                            "skipped",
                            "cancelled",
                        ],
                    )
                ),
                name="stage_status_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="stage",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("lease_until__isnull", False), ("status", "running"), ("token__isnull", False)),
                    models.Q(
                        models.Q(("status", "running"), _negated=True),
                        ("lease_until__isnull", True),
                        ("token__isnull", True),
                    ),
                    _connector="OR",
                ),
                name="stage_token_iff_running",
            ),
        ),
        migrations.AddConstraint(
            model_name="stage",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("status", "waiting"), _negated=True),
                    models.Q(("wait_reason", ""), _negated=True),
                    _connector="OR",
                ),
                name="stage_waits_for_a_reason",
            ),
        ),
        migrations.AddConstraint(
            model_name="stage",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("status", "failed"), _negated=True),
                    models.Q(("error_code", ""), _negated=True),
                    _connector="OR",
                ),
                name="stage_failed_has_reason",
            ),
        ),
        migrations.AddConstraint(
            model_name="gateresult",
            constraint=models.CheckConstraint(
                condition=models.Q(("verdict__in", ["passed", "failed", "errored"])),
                name="gate_verdict_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="gateresult",
            constraint=models.UniqueConstraint(fields=("stage", "gate"), name="gate_once_per_stage"),
        ),
        migrations.AddIndex(
            model_name="flowevent",
            index=models.Index(fields=["flow", "id"], name="flow_event_order"),
        ),
        migrations.AddIndex(
            model_name="flowevent",
            index=models.Index(
                condition=models.Q(
                    ("kind__in", ["flow.created", "flow.passed", "flow.failed", "flow.cancelled"])
                ),
                fields=["created_at"],
                name="flow_event_ends",
            ),
        ),
        migrations.AddIndex(
            model_name="flow",
            index=models.Index(
                condition=models.Q(("finished_at__isnull", False)),
                fields=["finished_at"],
                name="flow_finished",
            ),
        ),
        migrations.AddIndex(
            model_name="gateresult",
            index=models.Index(fields=["created_at"], name="gate_result_created"),
        ),
        migrations.AddConstraint(
            model_name="attempt",
            constraint=models.UniqueConstraint(fields=("stage", "number"), name="attempt_number_once"),
        ),
        migrations.AddConstraint(
            model_name="attempt",
            constraint=models.UniqueConstraint(
                condition=models.Q(("outcome", "running")),
                fields=("stage",),
                name="attempt_one_live_per_stage",
            ),
        ),
        migrations.AddConstraint(
            model_name="attempt",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("outcome__in", ["running", "passed", "failed", "parked", "expired", "cancelled"])
                ),
                name="attempt_outcome_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="attempt",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("finished_at__isnull", True), ("outcome", "running")),
                    models.Q(models.Q(("outcome", "running"), _negated=True), ("finished_at__isnull", False)),
                    _connector="OR",
                ),
                name="attempt_finished_iff_ended",
            ),
        ),
        migrations.AddConstraint(
            model_name="artifact",
            constraint=models.UniqueConstraint(fields=("stage", "kind"), name="artifact_kind_once_per_stage"),
        ),
        migrations.CreateModel(
            name="Replay",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("kind", models.CharField(choices=[("gates", "Gates"), ("flow", "Flow")], max_length=10)),
                (
                    "status",
                    models.CharField(
                        choices=[("pending", "Pending"), ("running", "Running"), ("done", "Done")],
                        db_default="pending",
                        default="pending",
                        max_length=10,
                    ),
                ),
                ("same", models.BooleanField(blank=True, null=True)),
                ("result", models.JSONField(blank=True, null=True)),
                ("error", models.JSONField(blank=True, null=True)),
                ("created_by", models.CharField(blank=True, db_default="", default="", max_length=150)),
                (
                    "created_at",
                    models.DateTimeField(
                        auto_now_add=True, db_default=django.db.models.functions.datetime.Now()
                    ),
                ),
                ("started_at", models.DateTimeField(blank=True, null=True)),
                ("finished_at", models.DateTimeField(blank=True, null=True)),
                (
                    "flow",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="replays", to="flows.flow"
                    ),
                ),
            ],
            options={
                "ordering": ["-id"],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("status", "done"), _negated=True),
                        fields=("flow", "kind"),
                        name="replay_one_at_a_time",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("kind__in", ["gates", "flow"])), name="replay_kind_known"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("status__in", ["pending", "running", "done"])),
                        name="replay_status_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("finished_at__isnull", False), ("same__isnull", False), ("status", "done")
                            ),
                            models.Q(
                                models.Q(("status", "done"), _negated=True),
                                ("finished_at__isnull", True),
                                ("same__isnull", True),
                            ),
                            _connector="OR",
                        ),
                        name="replay_finished_iff_done",
                    ),
                ],
            },
        ),
        migrations.RunSQL(Path(__file__).with_suffix(".sql").read_text(encoding="utf-8"), _DROP),
    ]
