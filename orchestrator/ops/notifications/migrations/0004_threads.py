"""What joins messages, and what one does at a pager."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("notifications", "0003_unfinished_index"),
    ]

    operations = [
        migrations.AddField(
            model_name="notification",
            name="action",
            field=models.CharField(
                choices=[("trigger", "Trigger"), ("acknowledge", "Acknowledge"), ("resolve", "Resolve")],
                db_default="trigger",
                default="trigger",
                max_length=11,
            ),
        ),
        migrations.AddField(
            model_name="notification",
            name="thread",
            field=models.CharField(blank=True, db_default="", default="", max_length=100),
        ),
        migrations.AddIndex(
            model_name="notification",
            index=models.Index(
                condition=models.Q(("thread", ""), _negated=True),
                fields=["thread"],
                name="notification_thread",
            ),
        ),
        migrations.AddConstraint(
            model_name="notification",
            constraint=models.CheckConstraint(
                condition=models.Q(("action__in", ["trigger", "acknowledge", "resolve"])),
                name="notification_action_known",
            ),
        ),
    ]
