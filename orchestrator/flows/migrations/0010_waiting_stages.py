"""The stages that wait, as a list of the admin: no table of its own."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("flows", "0009_search_by_repo_and_error")]

    operations = [
        migrations.CreateModel(
            name="StageWait",
            fields=[],
            options={
                "verbose_name": "wait",
                "ordering": ["-id"],
                "proxy": True,
                "indexes": [],
                "constraints": [],
            },
            bases=("flows.stage",),
        ),
    ]
