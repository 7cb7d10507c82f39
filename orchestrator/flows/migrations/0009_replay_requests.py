from django.db import migrations, models
from django.db.models import Q

# Two who asked at once made two rows, and both were run; of those that wait, the newest is left.
_ONE_EACH = """
DELETE FROM flows_flowreplay older USING flows_flowreplay newer
WHERE older.flow_id = newer.flow_id AND older.id < newer.id AND older.finished_at IS NULL AND newer.finished_at IS NULL
"""


class Migration(migrations.Migration):
    dependencies = [("flows", "0008_origin")]

    operations = [
        migrations.RenameField(model_name="gatereplay", old_name="requested_by", new_name="created_by"),
        migrations.AddField(
            model_name="gatereplay", name="sent_at", field=models.DateTimeField(blank=True, null=True)
        ),
        migrations.AddField(
            model_name="gatereplay", name="error", field=models.JSONField(blank=True, null=True)
        ),
        migrations.RunSQL(_ONE_EACH, migrations.RunSQL.noop),
        migrations.AddConstraint(
            model_name="flowreplay",
            constraint=models.UniqueConstraint(
                fields=["flow"], condition=Q(finished_at__isnull=True), name="flow_replay_one_at_a_time"
            ),
        ),
    ]
