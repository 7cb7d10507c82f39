"""The tables, then the functions of the limiter and the storage of the counters.

The functions come from the frozen copy beside this file.
"""

import uuid
from pathlib import Path

import django.contrib.postgres.fields
from django.db import migrations, models

_DROP = """
DROP PROCEDURE provider_acquire_durably;
DROP FUNCTION provider_settle, provider_record_health, provider_acquire, provider_expire_leases,
  provider_freeing_bucket, provider_rebuild_repo, provider_rebuild_budget, provider_rebuild_counters,
  provider_charged_nano,
  provider_charged_tokens, provider_second, provider_hour, provider_now;
"""


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="BudgetState",
            fields=[
                (
                    "id",
                    models.PositiveSmallIntegerField(
                        db_default=1, default=1, primary_key=True, serialize=False
                    ),
                ),
                ("head_hour", models.BigIntegerField(db_default=0)),
                (
                    "hour_nano",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.BigIntegerField(), db_default=[0] * 25, size=None
                    ),
                ),
                ("day_nano", models.BigIntegerField(db_default=0, default=0)),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("day_nano__gte", 0), ("id", 1)),
                        name="budget_one_row_not_negative",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="ProviderCall",
            fields=[
                (
                    "id",
                    models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False),
                ),
                ("provider", models.CharField(max_length=20)),
                ("model", models.CharField(max_length=100)),
                ("repo", models.CharField(blank=True, db_default="", default="", max_length=100)),
                ("stage_kind", models.CharField(blank=True, db_default="", default="", max_length=50)),
                ("flow_id", models.CharField(blank=True, max_length=25, null=True)),
                ("stage_id", models.BigIntegerField(blank=True, null=True)),
                ("attempt_id", models.BigIntegerField(blank=True, null=True)),
                ("fallback_from", models.CharField(blank=True, db_default="", default="", max_length=100)),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("reserved", "Reserved"),
                            ("settled", "Settled"),
                            ("released", "Released"),
                            ("unknown", "Unknown"),
                        ],
                        db_default="reserved",
                        default="reserved",
                        max_length=10,
                    ),
                ),
                ("request_digest", models.CharField(max_length=64)),
                ("reserved_tokens", models.PositiveBigIntegerField()),
                ("reserved_usd", models.DecimalField(decimal_places=9, max_digits=16)),
                ("input_tokens", models.PositiveBigIntegerField(db_default=0, default=0)),
                ("cache_read_tokens", models.PositiveBigIntegerField(db_default=0, default=0)),
                ("cache_write_5m_tokens", models.PositiveBigIntegerField(db_default=0, default=0)),
                ("cache_write_1h_tokens", models.PositiveBigIntegerField(db_default=0, default=0)),
                ("output_tokens", models.PositiveBigIntegerField(db_default=0, default=0)),
                ("reasoning_tokens", models.PositiveBigIntegerField(db_default=0, default=0)),
                ("usage_source", models.CharField(db_default="reported", default="reported", max_length=10)),
                ("answered_by", models.CharField(blank=True, db_default="", default="", max_length=100)),
                ("cost_usd", models.DecimalField(db_default=0, decimal_places=9, default=0, max_digits=16)),
                ("price", models.JSONField(blank=True, db_default={}, default=dict)),
                ("response", models.JSONField(blank=True, null=True)),
                ("answer", models.JSONField(blank=True, null=True)),
                ("error_code", models.CharField(blank=True, db_default="", default="", max_length=100)),
                ("error_message", models.TextField(blank=True, db_default="", default="")),
                ("created_at", models.DateTimeField()),
                ("lease_until", models.DateTimeField()),
                ("settled_at", models.DateTimeField(blank=True, null=True)),
                ("latency_ms", models.PositiveIntegerField(blank=True, null=True)),
            ],
            options={
                "ordering": ["-created_at"],
                "indexes": [
                    models.Index(fields=["provider", "created_at"], name="call_provider_created"),
                    models.Index(
                        condition=models.Q(("status", "reserved")),
                        fields=["provider", "lease_until"],
                        name="call_open_leases",
                    ),
                    models.Index(fields=["flow_id"], name="call_by_flow"),
                    models.Index(
                        condition=models.Q(("status", "unknown")),
                        fields=["settled_at"],
                        name="call_unknown_ended",
                    ),
                    models.Index(fields=["stage_id", "request_digest"], name="call_by_stage_request"),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("status__in", ["reserved", "settled", "released", "unknown"])),
                        name="call_status_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("settled_at__isnull", True), ("status", "reserved")),
                            models.Q(
                                models.Q(("status", "reserved"), _negated=True), ("settled_at__isnull", False)
                            ),
                            _connector="OR",
                        ),
                        name="call_settled_iff_not_reserved",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("cost_usd__gte", 0), ("reserved_usd__gte", 0)),
                        name="call_money_not_negative",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="ProviderChange",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("provider", models.CharField(max_length=20)),
                (
                    "action",
                    models.CharField(
                        choices=[
                            ("paused", "Paused"),
                            ("resumed", "Resumed"),
                            ("opened", "Opened"),
                            ("closed", "Closed"),
                            ("exhausted", "Exhausted"),
                        ],
                        max_length=10,
                    ),
                ),
                ("actor", models.CharField(max_length=150)),
                ("reason", models.TextField()),
                ("created_at", models.DateTimeField()),
            ],
            options={
                "ordering": ["-id"],
                "indexes": [models.Index(fields=["provider", "-id"], name="provider_change_newest")],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("reason", ""), _negated=True), models.Q(("actor", ""), _negated=True)
                        ),
                        name="provider_change_says_who_and_why",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="ProviderState",
            fields=[
                ("provider", models.CharField(max_length=20, primary_key=True, serialize=False)),
                ("head_hour", models.BigIntegerField(db_default=0)),
                (
                    "hour_tokens",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.BigIntegerField(), db_default=[0] * 25, size=None
                    ),
                ),
                ("day_tokens", models.BigIntegerField(db_default=0, default=0)),
                ("head_second", models.BigIntegerField(db_default=0)),
                (
                    "second_tokens",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.BigIntegerField(), db_default=[0] * 61, size=None
                    ),
                ),
                ("minute_tokens", models.BigIntegerField(db_default=0, default=0)),
                (
                    "second_requests",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.BigIntegerField(), db_default=[0] * 61, size=None
                    ),
                ),
                ("minute_requests", models.BigIntegerField(db_default=0, default=0)),
                ("reserved_tokens", models.BigIntegerField(db_default=0, default=0)),
                ("reserved_nano", models.BigIntegerField(db_default=0, default=0)),
                ("inflight", models.IntegerField(db_default=0, default=0)),
                ("not_before", models.DateTimeField(blank=True, null=True)),
                ("throttles", models.PositiveSmallIntegerField(db_default=0, default=0)),
                ("wait_code", models.CharField(blank=True, db_default="", default="", max_length=100)),
                ("wait_reason", models.TextField(blank=True, db_default="", default="")),
                (
                    "breaker",
                    models.CharField(
                        choices=[("closed", "Closed"), ("open", "Open")],
                        db_default="closed",
                        default="closed",
                        max_length=10,
                    ),
                ),
                ("failure_score", models.PositiveSmallIntegerField(db_default=0, default=0)),
                ("failed_at", models.DateTimeField(blank=True, null=True)),
                ("openings", models.PositiveSmallIntegerField(db_default=0, default=0)),
                ("open_until", models.DateTimeField(blank=True, null=True)),
                ("probe_call", models.UUIDField(blank=True, null=True)),
                ("probe_until", models.DateTimeField(blank=True, null=True)),
                ("paused", models.BooleanField(db_default=False, default=False)),
                ("pause_reason", models.TextField(blank=True, db_default="", default="")),
            ],
            options={
                "verbose_name": "provider",
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            ("day_tokens__gte", 0),
                            ("inflight__gte", 0),
                            ("minute_requests__gte", 0),
                            ("minute_tokens__gte", 0),
                            ("reserved_nano__gte", 0),
                            ("reserved_tokens__gte", 0),
                        ),
                        name="provider_counters_not_negative",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("breaker", "closed"),
                            models.Q(("breaker", "open"), ("open_until__isnull", False)),
                            _connector="OR",
                        ),
                        name="provider_breaker_known",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="RepoUse",
            fields=[
                ("repo", models.CharField(max_length=100, primary_key=True, serialize=False)),
                ("head_hour", models.BigIntegerField(db_default=0)),
                (
                    "hour_tokens",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.BigIntegerField(), db_default=[0] * 25, size=None
                    ),
                ),
                ("day_tokens", models.BigIntegerField(db_default=0, default=0)),
                (
                    "hour_nano",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.BigIntegerField(), db_default=[0] * 25, size=None
                    ),
                ),
                ("day_nano", models.BigIntegerField(db_default=0, default=0)),
            ],
            options={
                "verbose_name": "use of a repo",
                "verbose_name_plural": "use of repos",
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("day_nano__gte", 0), ("day_tokens__gte", 0)),
                        name="repo_use_not_negative",
                    )
                ],
            },
        ),
        migrations.RunSQL(Path(__file__).with_suffix(".sql").read_text(encoding="utf-8"), _DROP),
    ]
