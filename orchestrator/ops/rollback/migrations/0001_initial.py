"""The tables of rollbacks, and the triggers that keep them."""

from pathlib import Path

import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("repos", "0005_halts"),
    ]

    operations = [
        migrations.CreateModel(
            name="TriggerState",
            fields=[
                ("name", models.CharField(max_length=30, primary_key=True, serialize=False)),
                ("verdict", models.CharField(max_length=20)),
                ("value", models.FloatField(blank=True, null=True)),
                ("samples", models.PositiveBigIntegerField(db_default=0, default=0)),
                ("detail", models.CharField(blank=True, db_default="", default="", max_length=300)),
                ("armed", models.BooleanField(db_default=True, default=True)),
                ("beyond", models.PositiveIntegerField(db_default=0, default=0)),
                ("checked_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "first_checked_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
                ),
            ],
            options={
                "ordering": ["name"],
            },
        ),
        migrations.CreateModel(
            name="Rollback",
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
                            ("pilot", "pilot scope"),
                            ("manual", "manual review"),
                            ("version", "previous version"),
                        ],
                        max_length=10,
                    ),
                ),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("asked", "Asked"),
                            ("applying", "Applying"),
                            ("in_force", "In Force"),
                            ("ended", "Ended"),
                            ("declined", "Declined"),
                        ],
                        max_length=10,
                    ),
                ),
                ("trigger", models.CharField(blank=True, db_default="", default="", max_length=30)),
                (
                    "flows",
                    models.CharField(choices=[("drain", "Drain"), ("cancel", "Cancel")], max_length=10),
                ),
                ("reason", models.TextField()),
                ("actor", models.CharField(max_length=150)),
                ("incident", models.PositiveBigIntegerField()),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("in_force_at", models.DateTimeField(blank=True, null=True)),
                ("ended_at", models.DateTimeField(blank=True, null=True)),
                ("ended_by", models.CharField(blank=True, db_default="", default="", max_length=150)),
            ],
            options={
                "ordering": ["-id"],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("kind__in", ["pilot", "manual", "version"])),
                        name="rollback_kind_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("status__in", ["asked", "applying", "in_force", "ended", "declined"])
                        ),
                        name="rollback_status_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("flows__in", ["drain", "cancel"])), name="rollback_flows_known"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("reason", ""), _negated=True), name="rollback_has_reason"
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("status__in", ["asked", "applying", "in_force"])),
                        fields=("kind",),
                        name="rollback_once_per_kind",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("ended_at__isnull", False), ("status__in", ["ended", "declined"])),
                            models.Q(
                                models.Q(("status__in", ["ended", "declined"]), _negated=True),
                                ("ended_at__isnull", True),
                            ),
                            _connector="OR",
                        ),
                        name="rollback_over_has_time",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Announcement",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("template", models.CharField(max_length=50)),
                ("notifier", models.CharField(max_length=20)),
                ("target", models.CharField(max_length=254)),
                ("subject", models.CharField(blank=True, db_default="", default="", max_length=200)),
                ("body", models.TextField()),
                (
                    "status",
                    models.CharField(
                        choices=[("draft", "Draft"), ("sent", "Sent"), ("dropped", "Dropped")],
                        db_default="draft",
                        default="draft",
                        max_length=10,
                    ),
                ),
                ("decided_by", models.CharField(blank=True, db_default="", default="", max_length=150)),
                ("decided_at", models.DateTimeField(blank=True, null=True)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "rollback",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="announcements",
                        to="rollback.rollback",
                    ),
                ),
            ],
            options={
                "ordering": ["id"],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("status__in", ["draft", "sent", "dropped"])),
                        name="announcement_status_known",
                    ),
                    models.UniqueConstraint(
                        fields=("rollback", "template", "notifier", "target"), name="announcement_once"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="RollbackRepo",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("held", models.BooleanField(db_default=False, default=False)),
                ("restored_at", models.DateTimeField(blank=True, null=True)),
                ("restored_by", models.CharField(blank=True, db_default="", default="", max_length=150)),
                (
                    "repo",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="repos.repo"
                    ),
                ),
                (
                    "rollback",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="repos",
                        to="rollback.rollback",
                    ),
                ),
            ],
            options={
                "ordering": ["id"],
                "constraints": [
                    models.UniqueConstraint(fields=("rollback", "repo"), name="rollback_repo_once")
                ],
            },
        ),
        migrations.CreateModel(
            name="RollbackVote",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "role",
                    models.CharField(choices=[("pm", "PM"), ("tl", "TL"), ("sre", "SRE")], max_length=3),
                ),
                ("person", models.CharField(max_length=150)),
                ("verdict", models.CharField(choices=[("go", "GO"), ("no", "NO")], max_length=2)),
                ("reason", models.TextField(blank=True, db_default="", default="")),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("expires_at", models.DateTimeField()),
                (
                    "repo",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="repos.repo",
                    ),
                ),
                (
                    "rollback",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="votes",
                        to="rollback.rollback",
                    ),
                ),
            ],
            options={
                "ordering": ["id"],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("role__in", ["pm", "tl", "sre"])), name="rollback_vote_role_known"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("verdict__in", ["go", "no"])), name="rollback_vote_known"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("person", ""), _negated=True), name="rollback_vote_has_person"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="TriggerDecision",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("trigger", models.CharField(max_length=30)),
                (
                    "decision",
                    models.CharField(
                        choices=[
                            ("acted", "Acted"),
                            ("asked", "Asked"),
                            ("dry_run", "Dry Run"),
                            ("not_enough_data", "Not Enough Data"),
                        ],
                        max_length=20,
                    ),
                ),
                ("value", models.FloatField(blank=True, null=True)),
                ("samples", models.PositiveBigIntegerField(db_default=0, default=0)),
                ("detail", models.CharField(blank=True, db_default="", default="", max_length=300)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "rollback",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="decisions",
                        to="rollback.rollback",
                    ),
                ),
            ],
            options={
                "ordering": ["-id"],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            ("decision__in", ["acted", "asked", "dry_run", "not_enough_data"])
                        ),
                        name="trigger_decision_known",
                    )
                ],
            },
        ),
        migrations.RunSQL(
            Path(__file__).with_suffix(".sql").read_text(encoding="utf-8"),
            "DROP TRIGGER rollback_guard_move ON rollback_rollback; DROP FUNCTION rollback_guard_move();"
            " DROP TRIGGER rollback_vote_is_kept ON rollback_rollbackvote;"
            " DROP TRIGGER rollback_decision_is_kept ON rollback_triggerdecision;"
            " DROP FUNCTION rollback_row_is_kept();",
        ),
    ]
