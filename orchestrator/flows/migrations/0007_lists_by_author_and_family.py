"""Find the newest flows of an author and of a family without reading those of all others."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    # An index that is built beside writers cannot be built inside a transaction.
    atomic = False
    dependencies = [("flows", "0006_family_chosen_at")]

    operations = [
        AddIndexConcurrently(
            "flow", models.Index(fields=["created_by", "-id"], name="flow_newest_of_author")
        ),
        AddIndexConcurrently(
            "flow", models.Index(fields=["block_family", "-id"], name="flow_newest_of_family")
        ),
    ]
