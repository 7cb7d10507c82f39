"""Keep what people do to flows, and their holds, in the audit trail."""

from pathlib import Path

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("flows", "0007_lists_by_author_and_family"), ("core", "0002_audit_trail")]

    operations = [
        migrations.RunSQL(
            Path(__file__).with_suffix(".sql").read_text(encoding="utf-8"),
            "DROP TRIGGER flows_flow_is_audited ON flows_flow; "
            "DROP TRIGGER flows_flow_removal_is_audited ON flows_flow; "
            "DROP TRIGGER flows_hold_is_audited ON flows_hold;",
        ),
    ]
