from django.apps import AppConfig


class ObservabilityConfig(AppConfig):
    name = "orchestrator.ops.observability"
    label = "observability"
    verbose_name = "Observability"
