"""The keys under which REST has asked."""

from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("onboarding", "0004_rollout_votes"),
        ("repos", "0006_audit_trail"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name="onboardingrequest",
            name="body_digest",
            field=models.CharField(blank=True, db_default="", default="", editable=False, max_length=64),
        ),
        migrations.AddField(
            model_name="onboardingrequest",
            name="idempotency_key",
            field=models.CharField(blank=True, db_default="", default="", editable=False, max_length=255),
        ),
        migrations.AddConstraint(
            model_name="onboardingrequest",
            constraint=models.UniqueConstraint(
                condition=models.Q(("idempotency_key", ""), _negated=True),
                fields=("requested_from", "idempotency_key"),
                name="onboarding_asked_once_per_key",
            ),
        ),
    ]
