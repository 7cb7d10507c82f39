"""The index by which the turns of webhooks are found. The table grows, so it is built beside its writers."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("notifications", "0002_webhooks")]

    operations = [
        AddIndexConcurrently(
            model_name="notification",
            index=models.Index(
                fields=["notifier", "subscription", "id"],
                condition=models.Q(status__in=["waiting", "sending"]),
                name="notification_unfinished",
            ),
        ),
    ]
