import re
from typing import Any

from django.db import migrations, models

import orchestrator.repos.clone_urls

_USER = re.compile(r"(?<=://)[^/@]*@")


def _without_passwords(apps: Any, schema_editor: Any) -> None:  # noqa: ARG001 - Django's signature
    """Clone URLs were not checked before, and are shown."""
    for repo in apps.get_model("repos", "Repo").objects.filter(clone_url__contains="@"):
        repo.clone_url = _USER.sub("", repo.clone_url)
        repo.save(update_fields=["clone_url"])


class Migration(migrations.Migration):
    dependencies = [
        ("repos", "0001_initial"),
    ]

    operations = [
        migrations.RunPython(_without_passwords, migrations.RunPython.noop),
        migrations.AlterField(
            model_name="repo",
            name="clone_url",
            field=models.CharField(
                blank=True, max_length=500, validators=[orchestrator.repos.clone_urls.validate]
            ),
        ),
    ]
