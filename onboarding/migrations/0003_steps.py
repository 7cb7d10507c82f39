"""Steps, events and the whole life of a request; rows of the release before are carried over."""

from pathlib import Path

import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("onboarding", "0002_audit_trail"),
        ("repos", "0006_audit_trail"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="OnboardingEvent",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("kind", models.CharField(max_length=30)),
                ("actor", models.CharField(blank=True, db_default="", default="", max_length=150)),
                ("text", models.TextField(blank=True, db_default="", default="")),
                (
                    "created_at",
                    models.DateTimeField(
                        auto_now_add=True, db_default=django.db.models.functions.datetime.Now()
                    ),
                ),
            ],
            options={
                "ordering": ["id"],
            },
        ),
        migrations.CreateModel(
            name="OnboardingStep",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=50)),
                (
                    "kind",
                    models.CharField(
                        choices=[("check", "Check"), ("provision", "Provision"), ("undo", "Undo")],
                        max_length=10,
                    ),
                ),
                ("position", models.PositiveSmallIntegerField()),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("pending", "Pending"),
                            ("running", "Running"),
                            ("waiting", "Waiting"),
                            ("passed", "Passed"),
                            ("failed", "Failed"),
                            ("errored", "Errored"),
                            ("skipped", "Skipped"),
                        ],
                        db_default="pending",
                        default="pending",
                        max_length=10,
                    ),
                ),
                ("attempt", models.PositiveIntegerField(db_default=0, default=0)),
                ("troubles", models.PositiveSmallIntegerField(db_default=0, default=0)),
                ("crashes", models.PositiveSmallIntegerField(db_default=0, default=0)),
                ("token", models.UUIDField(blank=True, editable=False, null=True)),
                ("worker", models.CharField(blank=True, db_default="", default="", max_length=200)),
                ("lease_until", models.DateTimeField(blank=True, null=True)),
                ("not_before", models.DateTimeField(blank=True, null=True)),
                ("wake_asked", models.BooleanField(db_default=False, default=False)),
                ("reason", models.TextField(blank=True, db_default="", default="")),
                ("cure", models.TextField(blank=True, db_default="", default="")),
                ("outputs", models.JSONField(blank=True, db_default={}, default=dict)),
                ("log", models.JSONField(blank=True, db_default=[], default=list)),
                (
                    "created_at",
                    models.DateTimeField(
                        auto_now_add=True, db_default=django.db.models.functions.datetime.Now()
                    ),
                ),
                ("started_at", models.DateTimeField(blank=True, null=True)),
                ("finished_at", models.DateTimeField(blank=True, null=True)),
            ],
            options={
                "ordering": ["request", "position"],
            },
        ),
        migrations.RemoveConstraint(
            model_name="onboardingrequest",
            name="onboarding_status_known",
        ),
        migrations.RemoveConstraint(
            model_name="onboardingrequest",
            name="onboarding_one_open_per_repo",
        ),
        migrations.RemoveConstraint(
            model_name="onboardingrequest",
            name="onboarding_approved_has_repo",
        ),
        # The column keeps its name, because code of the release before writes it.
        migrations.AlterField(
            model_name="onboardingrequest",
            name="domain",
            field=models.CharField(db_column="domain", max_length=100),
        ),
        migrations.RenameField(
            model_name="onboardingrequest",
            old_name="domain",
            new_name="block_family",
        ),
        migrations.AddField(
            model_name="onboardingrequest",
            name="ci_credentials",
            field=models.CharField(
                choices=[("secret", "a secret in CI"), ("keyless", "keyless (OIDC)")],
                db_default="secret",
                default="secret",
                max_length=10,
            ),
        ),
        migrations.AddField(
            model_name="onboardingrequest",
            name="ci_system",
            field=models.CharField(
                choices=[("github_actions", "GitHub Actions"), ("gitlab_ci", "GitLab CI")],
                db_default="github_actions",
                default="github_actions",
                max_length=20,
            ),
        ),
        migrations.AddField(
            model_name="onboardingrequest",
            name="clones_privately",
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.AddField(
            model_name="onboardingrequest",
            name="code_host",
            field=models.CharField(
                choices=[("github", "GitHub"), ("gitlab", "GitLab")],
                db_default="github",
                default="github",
                max_length=10,
            ),
        ),
        migrations.AddField(
            model_name="onboardingrequest",
            name="code_host_path",
            field=models.CharField(blank=True, db_default="", default="", max_length=255),
        ),
        migrations.AddField(
            model_name="onboardingrequest",
            name="phase",
            field=models.CharField(
                choices=[("pilot", "Pilot"), ("soak", "Soak"), ("org", "Org")],
                db_default="org",
                default="org",
                max_length=10,
            ),
        ),
        migrations.AddField(
            model_name="onboardingrequest",
            name="planned_for",
            field=models.DateField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="onboardingrequest",
            name="provisioned_on",
            field=models.DateField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="onboardingrequest",
            name="queued_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="onboardingrequest",
            name="ready_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="onboardingrequest",
            name="reference",
            field=models.CharField(max_length=12, null=True, unique=True),
        ),
        migrations.AddField(
            model_name="onboardingrequest",
            name="requested_by",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="onboardingrequest",
            name="requested_from",
            field=models.CharField(blank=True, db_default="", default="", max_length=254),
        ),
        migrations.AddField(
            model_name="onboardingrequest",
            name="wanted_on",
            field=models.DateField(blank=True, null=True),
        ),
        migrations.AlterField(
            model_name="onboardingrequest",
            name="status",
            field=models.CharField(
                choices=[
                    ("checking", "Checking"),
                    ("queued", "Queued"),
                    ("provisioning", "Provisioning"),
                    ("ready", "Ready"),
                    ("rejected", "Rejected"),
                    ("expired", "Expired"),
                    ("failed", "Failed"),
                    ("cancelled", "Cancelled"),
                    ("offboarding", "Offboarding"),
                    ("undo_failed", "Undo Failed"),
                    ("offboarded", "Offboarded"),
                ],
                db_default="checking",
                default="checking",
                max_length=15,
            ),
        ),
        migrations.RunSQL(
            Path(__file__).with_suffix(".sql").read_text(encoding="utf-8"), migrations.RunSQL.noop
        ),
        migrations.AlterField(
            model_name="onboardingrequest",
            name="reference",
            field=models.CharField(max_length=12, unique=True),
        ),
        migrations.AddIndex(
            model_name="onboardingrequest",
            index=models.Index(
                condition=models.Q(("status", "queued")), fields=["queued_at", "id"], name="onboarding_line"
            ),
        ),
        migrations.AddIndex(
            model_name="onboardingrequest",
            index=models.Index(fields=["provisioned_on"], name="onboarding_provisioned_on"),
        ),
        migrations.AddConstraint(
            model_name="onboardingrequest",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "status__in",
                        [
                            "checking",
                            "queued",
                            "provisioning",
                            "ready",
                            "rejected",
                            "expired",
                            "failed",
                            "cancelled",
                            "offboarding",
                            "undo_failed",
                            "offboarded",
                        ],
                    )
                ),
                name="onboarding_status_is_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="onboardingrequest",
            constraint=models.CheckConstraint(
                condition=models.Q(("code_host__in", ["github", "gitlab"])), name="onboarding_code_host_known"
            ),
        ),
        migrations.AddConstraint(
            model_name="onboardingrequest",
            constraint=models.CheckConstraint(
                condition=models.Q(("ci_system__in", ["github_actions", "gitlab_ci"])),
                name="onboarding_ci_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="onboardingrequest",
            constraint=models.CheckConstraint(
                condition=models.Q(("ci_credentials__in", ["secret", "keyless"])),
                name="onboarding_ci_credentials_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="onboardingrequest",
            constraint=models.CheckConstraint(
                condition=models.Q(("phase__in", ["pilot", "soak", "org"])), name="onboarding_phase_known"
            ),
        ),
        migrations.AddConstraint(
            model_name="onboardingrequest",
            constraint=models.UniqueConstraint(
                condition=models.Q(
                    (
                        "status__in",
                        ("checking", "queued", "provisioning", "failed", "offboarding", "undo_failed"),
                    )
                ),
                fields=("repo_name",),
                name="onboarding_one_unfinished_per_repo",
            ),
        ),
        migrations.AddConstraint(
            model_name="onboardingrequest",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("status", "ready"), _negated=True), ("repo__isnull", False), _connector="OR"
                ),
                name="onboarding_ready_has_repo",
            ),
        ),
        migrations.AddConstraint(
            model_name="onboardingrequest",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("status__in", ["provisioning", "queued"]), _negated=True),
                    ("decided_at__isnull", False),
                    _connector="OR",
                ),
                name="onboarding_goes_on_after_a_yes",
            ),
        ),
        migrations.AddConstraint(
            model_name="onboardingrequest",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("status", "provisioning"), _negated=True),
                    ("provisioned_on__isnull", False),
                    _connector="OR",
                ),
                name="onboarding_provisioned_counts_for_a_day",
            ),
        ),
        migrations.AddField(
            model_name="onboardingevent",
            name="request",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="events",
                to="onboarding.onboardingrequest",
            ),
        ),
        migrations.AddField(
            model_name="onboardingstep",
            name="request",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="steps",
                to="onboarding.onboardingrequest",
            ),
        ),
        migrations.AddIndex(
            model_name="onboardingstep",
            index=models.Index(
                condition=models.Q(("status__in", ["pending", "waiting"])),
                fields=["not_before", "id"],
                name="onboarding_step_unfinished",
            ),
        ),
        migrations.AddIndex(
            model_name="onboardingstep",
            index=models.Index(
                condition=models.Q(("status", "running")),
                fields=["lease_until"],
                name="onboarding_step_leases",
            ),
        ),
        migrations.AddConstraint(
            model_name="onboardingstep",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "status__in",
                        ["pending", "running", "waiting", "passed", "failed", "errored", "skipped"],
                    )
                ),
                name="onboarding_step_status_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="onboardingstep",
            constraint=models.CheckConstraint(
                condition=models.Q(("kind__in", ["check", "provision", "undo"])),
                name="onboarding_step_kind_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="onboardingstep",
            constraint=models.UniqueConstraint(
                fields=("request", "kind", "name"), name="onboarding_step_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="onboardingstep",
            constraint=models.UniqueConstraint(
                fields=("request", "position"), name="onboarding_step_position_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="onboardingstep",
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
                name="onboarding_step_running_is_claimed",
            ),
        ),
        migrations.RunSQL(
            (Path(__file__).parent / "0003_step_triggers.sql").read_text(encoding="utf-8"),
            """
            DROP TRIGGER onboarding_onboardingrequest_transition ON onboarding_onboardingrequest;
            DROP TRIGGER onboarding_onboardingstep_transition ON onboarding_onboardingstep;
            DROP TRIGGER onboarding_complete_request ON onboarding_onboardingrequest;
            """,
        ),
    ]
