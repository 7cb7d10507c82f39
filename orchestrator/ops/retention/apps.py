from django.apps import AppConfig


class RetentionConfig(AppConfig):
    name = "orchestrator.ops.retention"
    label = "retention"
    verbose_name = "Retention"
