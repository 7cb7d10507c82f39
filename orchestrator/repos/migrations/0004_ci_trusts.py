"""Which CI jobs a repo trusts, and the tokens that are given to them."""

import django.core.validators
import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("repos", "0003_token_scopes"),
    ]

    operations = [
        migrations.AddField(
            model_name="token",
            name="id_token_digest",
            field=models.CharField(blank=True, editable=False, max_length=64, null=True, unique=True),
        ),
        migrations.CreateModel(
            name="CiTrust",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("issuer", models.CharField(max_length=200)),
                (
                    "repository",
                    models.CharField(
                        max_length=255,
                        validators=[
                            django.core.validators.RegexValidator(
                                "^[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)+\\Z",
                                "Name it as its CI does: owner/name or group/project.",
                            )
                        ],
                    ),
                ),
                (
                    "repository_id",
                    models.CharField(blank=True, db_default="", default="", editable=False, max_length=255),
                ),
                ("refs", models.JSONField()),
                ("environment", models.CharField(blank=True, db_default="", default="", max_length=255)),
                ("scopes", models.JSONField()),
                (
                    "created_by",
                    models.CharField(blank=True, db_default="", default="", editable=False, max_length=150),
                ),
                (
                    "created_at",
                    models.DateTimeField(
                        auto_now_add=True, db_default=django.db.models.functions.datetime.Now()
                    ),
                ),
                (
                    "repo",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="ci_trusts", to="repos.repo"
                    ),
                ),
            ],
            options={
                "verbose_name": "CI trust",
                "ordering": ["-id"],
            },
        ),
        migrations.AddField(
            model_name="token",
            name="trust",
            field=models.ForeignKey(
                blank=True,
                editable=False,
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="tokens",
                to="repos.citrust",
            ),
        ),
        migrations.AddIndex(
            model_name="citrust",
            index=models.Index(fields=["issuer"], name="ci_trust_issuer"),
        ),
    ]
