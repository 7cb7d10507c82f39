"""Keep what people change about repos in the audit trail."""

from pathlib import Path

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("repos", "0005_halts"), ("core", "0002_audit_trail")]

    operations = [
        migrations.RunSQL(
            Path(__file__).with_suffix(".sql").read_text(encoding="utf-8"),
            "DROP TRIGGER repos_is_audited ON repos; "
            "DROP TRIGGER repos_reposetting_is_audited ON repos_reposetting; "
            "DROP TRIGGER repos_membership_is_audited ON repos_membership; "
            "DROP TRIGGER repos_citrust_is_audited ON repos_citrust; "
            "DROP TRIGGER repos_token_is_audited ON repos_token;",
        ),
    ]
