"""Let a retry bring back a flow that was cancelled, with its stages."""

from pathlib import Path

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("flows", "0003_stage_live_per_kind")]

    operations = [
        # Not undone: the wider tables of transitions also hold for the code before.
        migrations.RunSQL(
            Path(__file__).with_suffix(".sql").read_text(encoding="utf-8"), migrations.RunSQL.noop
        ),
    ]
