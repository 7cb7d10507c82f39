from django.apps import AppConfig


class FlowsConfig(AppConfig):
    name = "orchestrator.flows"
    label = "flows"
    verbose_name = "Flows"
