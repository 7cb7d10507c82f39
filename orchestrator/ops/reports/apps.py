from django.apps import AppConfig


class ReportsConfig(AppConfig):
    name = "orchestrator.ops.reports"
    label = "reports"
    verbose_name = "Reports"
