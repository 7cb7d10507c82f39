"""The votes that let onboarding continue after a P1."""

from pathlib import Path

import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("onboarding", "0003_steps"),
    ]

    operations = [
        migrations.CreateModel(
            name="RolloutVote",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "role",
                    models.CharField(choices=[("pm", "PM"), ("tl", "TL"), ("sre", "SRE")], max_length=3),
                ),
                ("person", models.CharField(max_length=150)),
                ("verdict", models.CharField(choices=[("go", "GO"), ("no", "NO")], max_length=2)),
                ("reason", models.TextField(blank=True, db_default="", default="")),
                ("resumes", models.BooleanField(db_default=False, default=False)),
                (
                    "created_at",
                    models.DateTimeField(
                        auto_now_add=True, db_default=django.db.models.functions.datetime.Now()
                    ),
                ),
                ("expires_at", models.DateTimeField()),
            ],
            options={
                "ordering": ["id"],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("role__in", ["pm", "tl", "sre"])), name="rollout_vote_role_known"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("verdict__in", ["go", "no"])), name="rollout_vote_known"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("person", ""), _negated=True), name="rollout_vote_has_person"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("resumes", False), ("verdict", "go"), _connector="OR"),
                        name="rollout_go_resumes",
                    ),
                ],
            },
        ),
        migrations.RunSQL(
            Path(__file__).with_suffix(".sql").read_text(encoding="utf-8"),
            """
            DROP TRIGGER onboarding_vote_is_kept ON onboarding_rolloutvote;
            DROP FUNCTION onboarding_vote_is_kept;
            """,
        ),
    ]
