from django.apps import AppConfig


class IncidentsConfig(AppConfig):
    name = "orchestrator.ops.incidents"
    label = "incidents"
    verbose_name = "Incidents"
