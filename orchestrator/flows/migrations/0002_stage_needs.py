"""What a stage needs, as columns that old code may ignore, and the triggers that hold them."""

from pathlib import Path

import django.contrib.postgres.fields
from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models

_UNDO = """
DROP TRIGGER flows_stage_needs_passed ON flows_stage;
DROP FUNCTION flows_refuse_early_stage;
DROP TRIGGER flows_flow_whole_when_passed ON flows_flow;
DROP FUNCTION flows_refuse_early_pass;
"""


class Migration(migrations.Migration):
    dependencies = [("flows", "0001_initial")]

    operations = [
        migrations.AddField(
            model_name="stage",
            name="needs",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.BigIntegerField(), blank=True, null=True, size=None
            ),
        ),
        migrations.AddField(
            model_name="stage",
            name="needs_left",
            field=models.PositiveSmallIntegerField(db_default=0, default=0),
        ),
        migrations.AddField(
            model_name="flow",
            name="repair_asked",
            field=models.BooleanField(db_default=False, default=False),
        ),
        # Not validated here: reading every row would hold the lock that keeps writers out. The next one does.
        AddConstraintNotValid(
            model_name="stage",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("needs_left", 0), ("status__in", ["pending", "skipped", "cancelled"]), _connector="OR"
                ),
                name="stage_starts_when_nothing_is_left",
            ),
        ),
        AddConstraintNotValid(
            model_name="stage",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("needs__isnull", True), ("needs_left", 0)),
                    models.Q(
                        ("needs__isnull", False),
                        ("needs_left__lte", models.Func(models.F("needs"), function="cardinality")),
                    ),
                    _connector="OR",
                ),
                name="stage_lacks_no_more_than_it_needs",
            ),
        ),
        migrations.RunSQL(Path(__file__).with_suffix(".sql").read_text(encoding="utf-8"), _UNDO),
    ]
