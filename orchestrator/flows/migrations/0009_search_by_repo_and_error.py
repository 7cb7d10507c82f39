"""Find the newest flows of a repo and of an error without reading those of all others."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    # An index that is built beside writers cannot be built inside a transaction.
    atomic = False
    dependencies = [("flows", "0008_audit_trail")]

    operations = [
        AddIndexConcurrently("flow", models.Index(fields=["repo", "-id"], name="flow_newest_by_repo")),
        AddIndexConcurrently(
            "flow",
            models.Index(
                fields=["error_code", "-id"],
                opclasses=["varchar_pattern_ops", "varchar_ops"],
                condition=~models.Q(error_code=""),
                name="flow_newest_of_error",
            ),
        ),
    ]
