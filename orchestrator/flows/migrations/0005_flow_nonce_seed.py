"""Keep with each flow what the nonces of its prompts are made from."""

import django.contrib.postgres.functions
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("flows", "0004_retry_of_cancelled_flows")]

    operations = [
        migrations.SeparateDatabaseAndState(
            # Without the default first: with it, the server would write each row again.
            database_operations=[
                migrations.RunSQL(
                    "ALTER TABLE flows_flow ADD COLUMN nonce_seed uuid",
                    "ALTER TABLE flows_flow DROP COLUMN nonce_seed",
                ),
                migrations.RunSQL(
                    "ALTER TABLE flows_flow ALTER COLUMN nonce_seed SET DEFAULT gen_random_uuid()",
                    migrations.RunSQL.noop,
                ),
            ],
            state_operations=[
                migrations.AddField(
                    "flow",
                    "nonce_seed",
                    models.UUIDField(
                        blank=True,
                        db_default=django.contrib.postgres.functions.RandomUUID(),
                        editable=False,
                        null=True,
                    ),
                )
            ],
        ),
    ]
