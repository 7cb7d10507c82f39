from django.apps import AppConfig


class PreflightConfig(AppConfig):
    name = "orchestrator.ops.preflight"
    label = "preflight"
    verbose_name = "Pre-flight"
