from django.apps import AppConfig


class AlertsConfig(AppConfig):
    name = "orchestrator.ops.alerts"
    label = "alerts"
    verbose_name = "Alerts"
