"""Keep since when a flow has the block family that its plan chose."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("flows", "0005_flow_nonce_seed")]

    operations = [
        migrations.AddField("flow", "family_chosen_at", models.DateTimeField(blank=True, null=True))
    ]
