from django.apps import AppConfig


class RollbackConfig(AppConfig):
    name = "orchestrator.ops.rollback"
    label = "rollback"
    verbose_name = "Rollback"
