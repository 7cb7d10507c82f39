"""The index by which lists find the flows that have asked a model, built while calls are made."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("providers", "0003_newest_calls")]

    operations = [
        AddIndexConcurrently(
            model_name="providercall",
            index=models.Index(fields=["model", "flow_id"], name="call_by_model"),
        ),
    ]
