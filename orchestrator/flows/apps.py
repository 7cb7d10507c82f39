from django.apps import AppConfig


class FlowsConfig(AppConfig):
    name = "orchestrator.flows"
    label = "flows"
    verbose_name = "Flows"

    def ready(self) -> None:
        """Register the checks of the evidence, and refuse to start with a flow type that has no order."""
        # Django registers checks by importing them, and they may import models only once the apps are ready.
        from orchestrator.flows import checks, flow_types  # noqa: F401, PLC0415 - see above

        flow_types.load_flow_types()
