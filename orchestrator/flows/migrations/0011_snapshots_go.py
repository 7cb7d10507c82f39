"""Flows that ended may lose their snapshot.

The old constraint goes in the same migration: what old code writes satisfies both.
"""

from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("flows", "0010_waiting_stages")]

    operations = [
        migrations.RemoveConstraint(model_name="flow", name="flow_origin_of_a_snapshot"),
        AddConstraintNotValid(
            model_name="flow",
            constraint=models.CheckConstraint(
                condition=models.Q(origin="")
                | models.Q(snapshot__isnull=False)
                | models.Q(finished_at__isnull=False),
                name="flow_origin_while_open",
            ),
        ),
    ]
