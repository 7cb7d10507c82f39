"""Keep changes of subscriptions in the audit trail."""

from pathlib import Path

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("notifications", "0004_threads"), ("core", "0002_audit_trail")]

    operations = [
        migrations.RunSQL(
            Path(__file__).with_suffix(".sql").read_text(encoding="utf-8"),
            "DROP TRIGGER notifications_subscription_is_audited ON notifications_subscription;",
        ),
    ]
