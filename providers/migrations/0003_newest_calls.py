"""Find the newest calls of all providers without reading the others."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    # An index that is built beside writers cannot be built inside a transaction.
    atomic = False
    dependencies = [("providers", "0002_audit_trail")]

    operations = [
        AddIndexConcurrently("providercall", models.Index(fields=["-created_at", "-id"], name="call_newest")),
    ]
