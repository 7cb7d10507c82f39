from django.apps import AppConfig


class FlowsConfig(AppConfig):
    name = "orchestrator.flows"
    label = "flows"
    verbose_name = "Flows"

    def ready(self) -> None:
        """Register the checks of the evidence."""
        # Django registers checks by importing them, and they may import models only once the apps are ready.
        from orchestrator.flows import checks  # noqa: F401, PLC0415 - see above
