"""Up to where retention has come."""

from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True
    dependencies = []

    operations = [
        migrations.CreateModel(
            name="RetentionMark",
            fields=[
                ("kind", models.CharField(max_length=20, primary_key=True, serialize=False)),
                ("finished_at", models.DateTimeField()),
                ("flow", models.CharField(max_length=25)),
            ],
        ),
    ]
