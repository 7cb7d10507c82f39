from django.apps import AppConfig


class RollupsConfig(AppConfig):
    name = "orchestrator.ops.rollups"
    label = "rollups"
    verbose_name = "Rollups"
