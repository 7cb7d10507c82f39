"""Snapshots leave the flow's row for the table of blobs, where the same files lie once."""

import hashlib
import json
from typing import Any

import django.db.models.deletion
from django.db import migrations, models

from orchestrator.flows.source import snapshot

_AT_ONCE = 10  # flows in memory; each may carry 6 MB


def _out_of_the_row(apps: Any, schema_editor: Any) -> None:
    flows, blobs = apps.get_model("flows", "Flow"), apps.get_model("flows", "Blob")
    carrying = flows.objects.filter(context__has_key="files").order_by("pk").values_list("pk", "context")
    for pk, context in carrying.iterator(chunk_size=_AT_ONCE):
        if not context["files"]:
            continue
        packed = snapshot.pack(snapshot.from_json(context["files"]))
        sha256 = hashlib.sha256(packed).hexdigest()
        blobs.objects.get_or_create(sha256=sha256, defaults={"content": packed, "size": len(packed)})
        flows.objects.filter(pk=pk).update(snapshot_id=sha256)
    schema_editor.execute(
        "SET CONSTRAINTS ALL IMMEDIATE"
    )  # else PostgreSQL refuses to alter a table with checks to come


def _into_the_row(apps: Any, schema_editor: Any) -> None:
    flows = apps.get_model("flows", "Flow")
    carrying = flows.objects.exclude(snapshot=None).order_by("pk").values_list("pk", "snapshot__content")
    for pk, packed in carrying.iterator(chunk_size=_AT_ONCE):
        flows.objects.filter(pk=pk).update(context={"files": json.loads(bytes(packed))})
    schema_editor.execute("SET CONSTRAINTS ALL IMMEDIATE")


class Migration(migrations.Migration):
    dependencies = [("flows", "0006_onward")]

    operations = [
        migrations.AddField(
            model_name="flow",
            name="snapshot",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="flows.blob",
            ),
        ),
        migrations.RunPython(_out_of_the_row, _into_the_row),
        migrations.RemoveField(model_name="flow", name="context"),
    ]
