"""The audit trail, and the triggers that write and keep it, from the frozen copy beside this file."""

from pathlib import Path

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("core", "0001_initial"), ("auth", "0012_alter_user_first_name_max_length")]

    operations = [
        migrations.CreateModel(
            name="AuditEntry",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("at", models.DateTimeField()),
                ("actor", models.CharField(blank=True, db_default="", default="", max_length=150)),
                ("reason", models.TextField(blank=True, db_default="", default="")),
                (
                    "operation",
                    models.CharField(
                        choices=[("insert", "Insert"), ("update", "Update"), ("delete", "Delete")],
                        max_length=6,
                    ),
                ),
                ("subject", models.CharField(max_length=63)),
                ("subject_key", models.CharField(max_length=100)),
                ("changes", models.JSONField()),
                ("database_role", models.CharField(max_length=63)),
            ],
            options={
                "verbose_name_plural": "audit trail",
                "ordering": ["-id"],
                "indexes": [
                    models.Index(fields=["subject_key", "-id"], name="audit_entry_of_row"),
                    models.Index(fields=["actor", "-id"], name="audit_entry_of_actor"),
                ],
            },
        ),
        migrations.RunSQL(
            Path(__file__).with_suffix(".sql").read_text(encoding="utf-8"),
            "DROP FUNCTION core_audit_change CASCADE; DROP FUNCTION core_audit_is_kept CASCADE;",
        ),
    ]
