from django.apps import AppConfig


class FlowsConfig(AppConfig):
    name = "orchestrator.flows"
    label = "flows"
    verbose_name = "Flows"

    def ready(self) -> None:
        """Register the checks of the evidence."""
        from orchestrator.flows import checks  # noqa: F401, PLC0415 - Django registers checks by importing them, once apps are ready
