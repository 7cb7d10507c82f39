from django.apps import AppConfig


class StatusConfig(AppConfig):
    name = "orchestrator.ops.status"
    label = "status"
    verbose_name = "Status page"
