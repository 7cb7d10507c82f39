"""Indexes for lists of what few flows are, built while flows run."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("flows", "0012_flows_by_snapshot")]

    operations = [
        AddIndexConcurrently(
            model_name="flow",
            index=models.Index(
                fields=["status", "-id"],
                condition=models.Q(
                    status__in=["pending", "running", "waiting", "paused", "failed", "cancelled"]
                ),
                name="flow_newest_not_passed",
            ),
        ),
        AddIndexConcurrently(
            model_name="gateresult",
            index=models.Index(
                fields=["gate", "flow"],
                condition=~models.Q(verdict="passed"),
                name="gate_result_not_passed",
            ),
        ),
    ]
