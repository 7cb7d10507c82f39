from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("flows", "0007_snapshot"),
        ("repos", "0002_clone_url"),
    ]

    operations = [
        migrations.AddField(
            model_name="flow",
            name="origin",
            field=models.CharField(blank=True, db_default="", default="", max_length=600),
        ),
        migrations.AddConstraint(
            model_name="flow",
            constraint=models.CheckConstraint(
                condition=models.Q(("origin", ""), ("snapshot__isnull", False), _connector="OR"),
                name="flow_origin_of_a_snapshot",
            ),
        ),
    ]
