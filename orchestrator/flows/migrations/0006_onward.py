import django.db.models.deletion
from django.db import migrations, models

from orchestrator.flows.models import states, triggers


class Migration(migrations.Migration):
    dependencies = [
        ("flows", "0005_flow_replay"),
        ("repos", "0001_initial"),
    ]

    operations = [
        migrations.AlterField(
            model_name="attempt",
            name="stage",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="attempts",
                to="flows.stage",
            ),
        ),
        migrations.AlterField(
            model_name="flow",
            name="repo",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="flows",
                to="repos.repo",
            ),
        ),
        migrations.AlterField(
            model_name="flowevent",
            name="flow",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="events",
                to="flows.flow",
            ),
        ),
        migrations.AlterField(
            model_name="flowevent",
            name="stage",
            field=models.ForeignKey(
                blank=True,
                db_constraint=False,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="+",
                to="flows.stage",
            ),
        ),
        migrations.AlterField(
            model_name="stage",
            name="flow",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="stages",
                to="flows.flow",
            ),
        ),
        # A finish may hand the next stage on to its own worker, which runs it without its ever having been ready.
        migrations.RunSQL(triggers.guard("flows_stage", states.STAGE_MOVES), migrations.RunSQL.noop),
    ]
