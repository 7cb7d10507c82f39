"""The index of what was given up, built while messages go out."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("notifications", "0005_audit_trail")]

    operations = [
        AddIndexConcurrently(
            model_name="notification",
            index=models.Index(
                fields=["-id"],
                condition=models.Q(status="given_up"),
                name="notification_given_up",
            ),
        ),
    ]
