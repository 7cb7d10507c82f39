"""Keep the pauses of providers in the audit trail."""

from pathlib import Path

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("providers", "0001_initial"), ("core", "0002_audit_trail")]

    operations = [
        migrations.RunSQL(
            Path(__file__).with_suffix(".sql").read_text(encoding="utf-8"),
            "DROP TRIGGER providers_providerstate_is_audited ON providers_providerstate;",
        ),
    ]
