"""The index by which retention asks whether a flow still carries some bytes, built while flows run."""

from django.contrib.postgres.operations import AddIndexConcurrently, ValidateConstraint
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("flows", "0011_snapshots_go")]

    operations = [
        ValidateConstraint(model_name="flow", name="flow_origin_while_open"),
        AddIndexConcurrently(
            model_name="flow",
            index=models.Index(
                fields=["snapshot"],
                condition=models.Q(snapshot__isnull=False),
                name="flow_by_snapshot",
            ),
        ),
    ]
