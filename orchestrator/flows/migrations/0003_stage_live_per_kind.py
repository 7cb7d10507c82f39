"""Several stages of a flow may be live, one of each kind. Built beside running writers."""

from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations, models

_ONE_PER_KIND = models.UniqueConstraint(
    condition=models.Q(("status__in", ["ready", "running", "waiting"])),
    fields=("flow", "kind"),
    name="stage_one_live_per_kind",
)


class Migration(migrations.Migration):
    # An index that is built concurrently cannot be part of a transaction.
    atomic = False

    dependencies = [("flows", "0002_stage_needs")]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[
                migrations.RunSQL(
                    "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS stage_one_live_per_kind"
                    " ON flows_stage (flow_id, kind) WHERE status IN ('ready', 'running', 'waiting')",
                    "DROP INDEX CONCURRENTLY IF EXISTS stage_one_live_per_kind",
                )
            ],
            state_operations=[migrations.AddConstraint(model_name="stage", constraint=_ONE_PER_KIND)],
        ),
        migrations.RemoveConstraint(model_name="stage", name="stage_one_live_per_flow"),
        ValidateConstraint(model_name="stage", name="stage_starts_when_nothing_is_left"),
        ValidateConstraint(model_name="stage", name="stage_lacks_no_more_than_it_needs"),
    ]
