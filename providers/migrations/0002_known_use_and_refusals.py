"""What is known of the use of a call, which model answered, and why everybody waits for a provider."""

from pathlib import Path

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("providers", "0001_initial")]

    operations = [
        migrations.AddField(
            "providercall",
            "usage_source",
            models.CharField(default="reported", db_default="reported", max_length=10),
        ),
        migrations.AddField(
            "providercall",
            "answered_by",
            models.CharField(blank=True, default="", db_default="", max_length=100),
        ),
        migrations.AddField(
            "providerstate",
            "wait_code",
            models.CharField(blank=True, default="", db_default="", max_length=100),
        ),
        migrations.AddField(
            "providerstate", "wait_reason", models.TextField(blank=True, default="", db_default="")
        ),
        migrations.AlterField(
            "providerchange",
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
        migrations.RunSQL(Path(__file__).with_suffix(".sql").read_text(encoding="utf-8")),
    ]
