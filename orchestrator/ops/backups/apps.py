from django.apps import AppConfig


class BackupsConfig(AppConfig):
    name = "orchestrator.ops.backups"
    label = "backups"
    verbose_name = "Backups"
